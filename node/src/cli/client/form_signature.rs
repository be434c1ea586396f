//! `swift-form-signature`: signs a form, and shows what it looks like.

use anyhow::Context;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use swiftlet_types::Timestamp;
use swiftlet_types::python::int;

const HELP: &str = "\
Syntax: swift-form-signature <path> <redirect> <max_file_size> <max_file_count> <seconds> <key>

Where:
  <path>            What the names of uploaded objects begin with: with
                    /v1/account/container/object_prefix_ the name that a
                    browser gives a file follows object_prefix_.
  <redirect>        The URL that the browser is sent to afterwards.
  <max_file_size>   The most bytes that a file may have.
  <max_file_count>  The most files that may be uploaded at once.
  <seconds>         For how many seconds from now an upload may begin.
  <key>             The account's X-Account-Meta-Temp-URL-Key.

It prints when the signature expires, the signature, and a form with both.
The form's action lacks the cluster's host name: put it in front.
";

/// Runs it with the arguments that follow its name.
pub(super) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let text = |argument: &OsString| {
        argument.clone().into_string().map_err(|bad| anyhow::anyhow!("not UTF-8: {}", bad.display()))
    };
    let arguments = arguments.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    let (said, code) = match signed(&arguments, Timestamp::now().seconds())? {
        Ok(form) => (form, ExitCode::SUCCESS),
        Err(mistake) => (mistake, ExitCode::FAILURE),
    };
    std::io::stdout().write_all(said.as_bytes())?;
    Ok(code)
}

/// What is printed at `now_s`, and inside `Err` what is printed of a mistake.
fn signed(arguments: &[String], now_s: u64) -> anyhow::Result<Result<String, String>> {
    let [path, redirect, max_file_size, max_file_count, seconds, key] = arguments else {
        return Ok(Err(HELP.to_owned()));
    };
    let Some(max_file_size) = int(max_file_size).filter(|size| *size >= 0) else {
        return Ok(Err("Please use a <max_file_size> value greater than or equal to 0.\n".to_owned()));
    };
    let Some(max_file_count) = int(max_file_count).filter(|count| *count >= 1) else {
        return Ok(Err("Please use a positive <max_file_count> value.\n".to_owned()));
    };
    let expires = int(seconds).and_then(|seconds| seconds.checked_add_unsigned(now_s));
    let Some(expires) = expires.filter(|expires| *expires >= 1) else {
        return Ok(Err("Please use a positive <seconds> value.\n".to_owned()));
    };
    let is_of_container = {
        let mut parts = path.splitn(5, '/');
        let is_v1 = parts.next() == Some("") && parts.next() == Some("v1");
        is_v1 && [parts.next(), parts.next()].iter().all(|part| part.is_some_and(|part| !part.is_empty()))
    };
    if !is_of_container {
        return Ok(Err("<path> must point to a container at least.\n\
                       For example: /v1/account/container\n         Or: /v1/account/container/object_prefix\n"
            .to_owned()));
    }
    let message = format!("{path}\n{redirect}\n{max_file_size}\n{max_file_count}\n{expires}");
    let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).context("the key")?;
    mac.update(message.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    Ok(Ok(form(path, redirect, (max_file_size, max_file_count), expires, &signature)))
}

fn form(
    path: &str,
    redirect: &str,
    (max_file_size, max_file_count): (i64, i64),
    expires: i64,
    signature: &str,
) -> String {
    let hidden =
        |name: &str, value: &str| format!("  <input type=\"hidden\" name=\"{name}\" value=\"{value}\" />\n");
    let redirect = if redirect.is_empty() { String::new() } else { hidden("redirect", redirect) };
    let inputs: String = (0..max_file_count)
        .map(|n| format!("  <input type=\"file\" name=\"file{n}\" />\n  <br />\n"))
        .collect();
    [
        &format!("  Expires: {expires}\nSignature: {signature}\n\nSample form:\n\n"),
        "NOTE: the <form> tag's \"action\" attribute does not contain the Swift cluster's hostname.\n",
        "You should manually add it before using the form.\n\n",
        &format!("<form action=\"{path}\" method=\"POST\" enctype=\"multipart/form-data\">\n"),
        &redirect,
        &hidden("max_file_size", &max_file_size.to_string()),
        &hidden("max_file_count", &max_file_count.to_string()),
        &hidden("expires", &expires.to_string()),
        &hidden("signature", signature),
        &format!("  <!-- This signature allows for at most {max_file_count} files, -->\n"),
        "  <!-- but it may also have any smaller number. -->\n  <!-- Remove file inputs as needed. -->\n",
        &inputs,
        "  <input type=\"submit\" />\n</form>\n",
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(arguments: [&str; 6]) -> Result<String, String> {
        signed(&arguments.map(str::to_owned), 1_402_464_677).unwrap()
    }

    #[test]
    fn a_form_is_signed_as_its_filter_reckons() {
        let form = say(["/v1/a/c/prefix", "http://x", "100", "2", "60", "key"]).unwrap();
        // hmac.new(b'key', b'/v1/a/c/prefix\nhttp://x\n100\n2\n1402464737', 'sha1').hexdigest()
        let signature = "004b026a39d5ed5aadc9328093ba7d054f9e3944";
        assert!(form.starts_with(&format!("  Expires: 1402464737\nSignature: {signature}\n")), "{form}");
        assert!(form.contains("name=\"redirect\" value=\"http://x\"") && form.contains("name=\"file1\""));
        assert!(!form.contains("name=\"file2\""));
        assert!(!say(["/v1/a/c", "", "0", "1", "60", "key"]).unwrap().contains("redirect"));
    }

    #[test]
    fn what_cannot_be_right_is_told() {
        for (arguments, told) in [
            (["/v1/a/c", "", "-1", "1", "1", "k"], "<max_file_size>"),
            (["/v1/a/c", "", "x", "1", "1", "k"], "<max_file_size>"),
            (["/v1/a/c", "", "1", "0", "1", "k"], "<max_file_count>"),
            (["/v1/a/c", "", "1", "1", "-9999999999", "k"], "<seconds>"),
            (["/v1/a/c", "", "1", "1", "9223372036854775807", "k"], "<seconds>"),
            (["/v1/a", "", "1", "1", "1", "k"], "<path>"),
            (["/v2/a/c", "", "1", "1", "1", "k"], "<path>"),
            (["v1/a/c", "", "1", "1", "1", "k"], "<path>"),
        ] {
            assert!(say(arguments).unwrap_err().contains(told), "{arguments:?}");
        }
        assert!(signed(&[], 0).unwrap().unwrap_err().starts_with("Syntax: swift-form-signature <path>"));
    }
}
