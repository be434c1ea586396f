-- PUT of new objects, each under its own name. Arguments: token, path of the container, bytes of a body.
local counter, thread = 0, 0
function setup(t) t:set("id", thread); thread = thread + 1 end
function init(args)
  headers = {["X-Auth-Token"] = args[1], ["Content-Type"] = "application/octet-stream"}
  base, body = args[2], string.rep("x", tonumber(args[3]))
  run = tostring(os.time()) .. "-" .. id .. "-"
end
function request()
  counter = counter + 1
  return wrk.format("PUT", base .. "/" .. run .. counter, headers, body)
end
