//! The user that workers and daemons run as, and the limits that they need.

use rustix::process::{Resource, getrlimit, setrlimit};
use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;

/// Open files a server may need.
const OPEN_FILES: u64 = 32768;

/// Becomes `user` where this process is root's, with that user's groups. Call it before there are threads.
pub fn drop_privileges(user: &str) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let name = CString::new(user)?;
    let (uid, gid) = look_up(&name)?;
    // SAFETY: plain system calls on values; `name` is a C string that outlives them. libc's wrappers change
    // every thread of the process.
    unsafe {
        check(libc::initgroups(name.as_ptr(), gid))?;
        check(libc::setgid(gid))?;
        check(libc::setuid(uid))?;
    }
    Ok(())
}

fn look_up(name: &CStr) -> io::Result<(libc::uid_t, libc::gid_t)> {
    let mut entry = MaybeUninit::<libc::passwd>::uninit();
    let mut buffer = vec![0; 16 << 10];
    let mut found = std::ptr::null_mut();
    // SAFETY: every pointer is to memory that outlives the call, and the buffer's length is given.
    let code = unsafe {
        libc::getpwnam_r(name.as_ptr(), entry.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &mut found)
    };
    if code != 0 {
        return Err(io::Error::from_raw_os_error(code));
    }
    if found.is_null() {
        let message = format!("there is no user {:?} (option user)", name.to_string_lossy());
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    }
    // SAFETY: getpwnam_r found an entry, so it filled ours.
    let entry = unsafe { entry.assume_init() };
    Ok((entry.pw_uid, entry.pw_gid))
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
