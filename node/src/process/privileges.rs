//! The user that workers and daemons run as, and the limits that they need.

use rustix::process::{Resource, getrlimit, setrlimit};
use std::io;

/// Open files a server may need.
const OPEN_FILES: u64 = 32768;

/// Where the system's users and groups are. Read here, not by the C library: it would load its modules for other
/// sources of users at run time, which a static binary cannot do.
const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// Becomes `user` where this process is root's, with that user's groups. Call it before there are threads.
pub fn drop_privileges(user: &str) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let (uid, gid) = ids_of(user)?;
    let mut groups = groups_of(&std::fs::read_to_string(GROUP).unwrap_or_default(), user);
    groups.push(gid);
    // SAFETY: plain system calls on values, and on a list that outlives them. libc's wrappers change every thread of
    // the process.
    unsafe {
        check(libc::setgroups(groups.len(), groups.as_ptr()))?;
        check(libc::setgid(gid))?;
        check(libc::setuid(uid))?;
    }
    Ok(())
}

/// The id of the user of that name (option `user`).
pub fn user_id(user: &str) -> io::Result<u32> {
    ids_of(user).map(|(uid, _)| uid)
}

/// User and group id of a user.
fn ids_of(user: &str) -> io::Result<(libc::uid_t, libc::gid_t)> {
    find_user(&std::fs::read_to_string(PASSWD)?, user).ok_or_else(|| {
        let message = format!("there is no user {user:?} in {PASSWD} (option user)");
        io::Error::new(io::ErrorKind::NotFound, message)
    })
}

/// The name of the user that this process runs as, where the system has one.
pub fn current_user() -> Option<String> {
    let uid = rustix::process::geteuid().as_raw().to_string();
    let passwd = std::fs::read_to_string(PASSWD).ok()?;
    let entry = passwd.lines().find(|line| line.split(':').nth(2) == Some(uid.as_str()))?;
    entry.split(':').next().map(str::to_owned)
}

/// User and group id of `user` in the text of a passwd file (`name:password:uid:gid:…`).
fn find_user(passwd: &str, user: &str) -> Option<(libc::uid_t, libc::gid_t)> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(user)).then_some(())?;
        let (uid, gid) = (fields.nth(1)?, fields.next()?);
        Some((uid.parse().ok()?, gid.parse().ok()?))
    })
}

/// The groups of which `user` is a member in the text of a group file (`name:password:gid:member,member`).
fn groups_of(group: &str, user: &str) -> Vec<libc::gid_t> {
    let of_line = |line: &str| {
        let mut fields = line.split(':').skip(2);
        let (gid, members) = (fields.next()?, fields.next()?);
        members.split(',').any(|member| member == user).then(|| gid.parse().ok())?
    };
    group.lines().filter_map(of_line).collect()
}

fn check(code: libc::c_int) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Raises the number of files that may be open as far as the system allows.
pub fn raise_limits() {
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(OPEN_FILES, |maximum| maximum.min(OPEN_FILES));
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(wanted);
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "cannot raise the number of open files");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_users_and_their_groups() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken:x\nswift:x:160:161::/var/lib/swift:/bin/false\n";
        assert_eq!(find_user(passwd, "swift"), Some((160, 161)));
        assert_eq!(find_user(passwd, "swif"), None);
        assert_eq!(find_user(passwd, "broken"), None);
        let group = "root:x:0:\ndisk:x:6:swift\nadm:x:4:syslog,swift\nswift:x:161:\nswiftly:x:9:swiftly\n";
        assert_eq!(groups_of(group, "swift"), [6, 4]);
    }
}
