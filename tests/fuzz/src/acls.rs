//! ACLs of both formats: what is taken is stored in a form that can be asked, and shown as it is meant.
#![no_main]

use libfuzzer_sys::fuzz_target;
use swiftlet::proxy::acl::{
    ContainerAcl, check_account_acl, clean_acl, format_account_acl, parse_account_acl,
};

fuzz_target!(|text: &str| {
    let (acl, referer) = text.split_once('\n').unwrap_or((text, ""));
    for header in ["X-Container-Read", "X-Container-Write"] {
        let Ok(cleaned) = clean_acl(header, acl) else { continue };
        for item in cleaned.split(',').filter(|_| !cleaned.is_empty()) {
            assert!(!item.is_empty() && item.trim() == item, "{cleaned}");
            let designator = item.split_once(':').map(|(word, _)| word).filter(|word| word.starts_with('.'));
            assert!(designator.is_none_or(|word| word == ".r" && header == "X-Container-Read"), "{cleaned}");
        }
        let parsed = ContainerAcl::parse(&cleaned);
        let _ = parsed.allows_referrer(Some(referer));
        let _ = parsed.has_group(referer);
    }
    let parsed = parse_account_acl(text);
    let Some(shown) = format_account_acl(text) else { return };
    assert!(shown.is_ascii());
    assert_eq!(parse_account_acl(&shown), parsed);
    if check_account_acl(text).is_ok() {
        assert_eq!(check_account_acl(&shown), Ok(()));
        assert_eq!(format_account_acl(&shown), Some(shown));
    }
});
