//! The header fields of quotas: as clients see and set them, and as the account stores them.

use crate::http::{Headers, Response};
use crate::proxy::app::ProxyRequest;
use swiftlet_types::Policies;

/// What there are quotas of.
const KINDS: [&str; 2] = ["Quota-Bytes", "Quota-Count"];
/// How quotas were set when they were user metadata, and how they are now.
const LEGACY: [(&str, &str); 2] = [
    ("X-Account-Meta-Quota-Bytes", "X-Account-Quota-Bytes"),
    ("X-Remove-Account-Meta-Quota-Bytes", "X-Remove-Account-Quota-Bytes"),
];

/// Puts the quotas that a request wants to set where they are stored; refuses them to all but reseller admins.
pub fn store(request: &mut ProxyRequest, policies: &Policies) -> Result<(), Response> {
    let headers = &mut request.http.headers;
    for (legacy, current) in LEGACY {
        if let Some(value) = headers.get(legacy).map(<[u8]>::to_vec)
            && headers.get(current).is_none_or(<[u8]>::is_empty)
        {
            headers.set(current, value);
        }
    }
    for kind in KINDS {
        let mut quotas = vec![(format!("X-Account-Sysmeta-{kind}"), wanted(headers, kind))];
        for policy in policies.iter() {
            let named = format!("{kind}-Policy-{}", policy.name());
            let quota = wanted(headers, &named);
            headers.remove(&format!("X-Account-{named}"));
            quotas.push((format!("X-Account-Sysmeta-{kind}-Policy-{}", policy.index), quota));
        }
        quotas.retain(|(_, quota)| quota.is_some());
        if quotas.is_empty() {
            continue;
        }
        if !request.env.reseller {
            return Err(Response::standard(403));
        }
        for (name, quota) in quotas {
            let quota = quota.unwrap_or_default();
            if !quota.iter().all(u8::is_ascii_digit) {
                return Err(Response::standard(400));
            }
            headers.set(name, quota);
        }
    }
    Ok(())
}

/// The value that a request wants `X-Account-<quota>` to have: an empty one removes it, and removing wins.
fn wanted(headers: &Headers, quota: &str) -> Option<Vec<u8>> {
    match headers.get(&format!("X-Remove-Account-{quota}")).is_some_and(|value| !value.is_empty()) {
        true => Some(Vec::new()),
        false => headers.get(&format!("X-Account-{quota}")).map(<[u8]>::to_vec),
    }
}

/// Shows on an answer what quotas the account has.
pub fn show(headers: &mut Headers, policies: &Policies) {
    for kind in KINDS {
        let by_policy = policies.iter().map(|policy| {
            (format!("{kind}-Policy-{}", policy.index), format!("{kind}-Policy-{}", policy.name()))
        });
        for (stored, shown) in std::iter::once((kind.to_owned(), kind.to_owned())).chain(by_policy) {
            let value = headers.get(&format!("X-Account-Sysmeta-{stored}")).map(<[u8]>::to_vec);
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                headers.set(format!("X-Account-{shown}"), value);
            }
        }
    }
}
