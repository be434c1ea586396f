-- GET or HEAD of objects that are there. Arguments: token, path of the container, method, how many objects, query.
function init(args)
  headers = {["X-Auth-Token"] = args[1]}
  base, method, count, query = args[2], args[3], tonumber(args[4]), args[5] or ""
  math.randomseed(os.time())
end
function request()
  local path = base
  if count > 0 then path = base .. "/o" .. math.random(1, count) end
  return wrk.format(method, path .. query, headers)
end
