"""The users of Swift's own functional tests, as each side wants to be told of them."""

# account, user, key, groups; `deploy/examples/dev.yaml` has the same.
USERS = [
    ("admin", "admin", "admin", ".admin .reseller_admin"),
    ("test", "tester", "testing", ".admin"),
    ("test", "tester2", "testing2", ".admin"),
    ("test", "tester3", "testing3", ""),
    ("test2", "tester2", "testing2", ".admin"),
    ("test5", "tester5", "testing5", "service"),
    ("test", "tester6", "testing6", ".reseller_admin"),
]

# What `[func_test]` says of them; `auth_uri` and what else a section needs come before or after.
FUNC_TEST = """account = test
username = tester
password = testing
account2 = test2
username2 = tester2
password2 = testing2
username3 = tester3
password3 = testing3
account5 = test5
username5 = tester5
password5 = testing5
service_prefix = SERVICE
account6 = admin
username6 = admin
password6 = admin
collate = C
insecure = no
storage_domain = example.com
"""


def tempauth_options():
    """Their lines in `[filter:tempauth]`."""
    return "".join(f"user_{account}_{user} = {key} {groups}".rstrip() + "\n" for account, user, key, groups in USERS)
