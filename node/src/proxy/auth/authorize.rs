//! Who may do what: owners, resellers, ACLs of containers and accounts.

use super::{Resellers, realm};
use crate::http::{Method, Response};
use crate::proxy::acl::{ContainerAcl, check_account_acl, parse_account_acl};
use crate::proxy::app::{App, Authorize, Env, ProxyRequest};
use crate::proxy::info::account_info;
use async_trait::async_trait;
use std::sync::Arc;
use swiftlet_types::names::{quote, split_path};

const ACCOUNT_ACL: &str = "X-Account-Access-Control";
/// What the access log calls the requests made here, whichever middleware asks: Swift's tempauth says so.
const SOURCE: &str = "TA";
const ACCOUNT_ACL_SYSMETA: &str = "X-Account-Sysmeta-Core-Access-Control";

/// A 401 for `realm`.
pub fn unauthorized(realm: &str) -> Response {
    Response::standard(401).with("Www-Authenticate", format!("Swift realm=\"{realm}\""))
}

/// Says no to everything: 403 to whom we know, 401 to others.
pub struct DenyAll;

fn denied(request: &ProxyRequest) -> Response {
    if request.env.remote_user.as_deref().is_some_and(|user| !user.is_empty()) {
        return Response::standard(403);
    }
    let realm = realm(&request.http.path);
    unauthorized(&if matches!(realm.as_str(), "v1.0" | "auth") { "unknown".into() } else { quote(realm) })
}

#[async_trait]
impl Authorize for DenyAll {
    async fn authorize(&self, request: &mut ProxyRequest) -> Result<(), Response> {
        Err(denied(request))
    }
}

/// Decides for the accounts of our reseller prefixes.
pub struct AccountAuthorize {
    resellers: Arc<Resellers>,
    /// Where accounts' ACLs are asked for.
    next: Arc<dyn App>,
}

impl AccountAuthorize {
    pub fn new(resellers: Arc<Resellers>, next: Arc<dyn App>) -> Self {
        Self { resellers, next }
    }
}

/// What a decision is about.
struct Subject {
    account: String,
    has_container: bool,
    has_object: bool,
}

impl Subject {
    fn of(path: &[u8]) -> Option<Self> {
        let segments = split_path(path, 1, 4, true)?;
        Some(Self {
            account: segments
                .get(1)
                .map(|account| String::from_utf8_lossy(account).into_owned())
                .unwrap_or_default(),
            has_container: segments.len() > 2,
            has_object: segments.len() > 3,
        })
    }
}

#[async_trait]
impl Authorize for AccountAuthorize {
    async fn authorize(&self, request: &mut ProxyRequest) -> Result<(), Response> {
        let Some(subject) = Subject::of(&request.http.path) else { return Err(Response::standard(404)) };
        if subject.account.is_empty() || self.resellers.prefix_of(&subject.account).is_none() {
            return Err(denied(request));
        }
        take_account_acl(request)?;
        let remote_user = request.env.remote_user.clone().unwrap_or_default();
        let groups: Vec<&str> = remote_user.split(',').collect();
        if self.is_owner(&subject, &groups, &request.http.method) {
            request.env.owner = true;
            return Ok(());
        }
        if self.may_read_everything(&subject, &groups, &request.http.method)
            || request.http.method == Method::Options
            || container_acl_allows(request, &subject, &groups)
        {
            return Ok(());
        }
        self.ask_account_acl(request, &subject, &groups).await
    }
}

impl AccountAuthorize {
    /// Reseller admins own every account but hidden ones; an account's admins own theirs, though they can
    /// neither create nor delete it.
    fn is_owner(&self, subject: &Subject, groups: &[&str], method: &Method) -> bool {
        if groups.contains(&".reseller_admin") && self.resellers.is_ordinary(&subject.account) {
            return true;
        }
        let managed = !subject.has_container && matches!(method, Method::Put | Method::Delete);
        let required = self.resellers.require_group(&subject.account);
        groups.contains(&subject.account.as_str())
            && !managed
            && (required.is_empty() || groups.contains(&required))
    }

    fn may_read_everything(&self, subject: &Subject, groups: &[&str], method: &Method) -> bool {
        groups.contains(&".reseller_reader")
            && self.resellers.is_ordinary(&subject.account)
            && is_read(method)
    }

    async fn ask_account_acl(
        &self,
        request: &mut ProxyRequest,
        subject: &Subject,
        groups: &[&str],
    ) -> Result<(), Response> {
        let acl = self.account_acl(&request.env, &subject.account).await;
        let Some(acl) = acl.as_deref().and_then(parse_account_acl) else { return Err(denied(request)) };
        let grants = |grantees: &[String]| grantees.iter().any(|grantee| groups.contains(&grantee.as_str()));
        if grants(&acl.admin) {
            request.env.owner = true;
            return Ok(());
        }
        let read = is_read(&request.http.method);
        let read_write = grants(&acl.read_write) && (subject.has_container || read);
        let read_only = grants(&acl.read_only) && read;
        if read_write || read_only { Ok(()) } else { Err(denied(request)) }
    }

    /// The ACL that is stored with the account.
    async fn account_acl(&self, env: &Env, account: &str) -> Option<String> {
        let env = Env { source: Some(SOURCE), ..env.clone() };
        let info = account_info(&*self.next, &env, account).await;
        info.sysmeta.get("core-access-control").map(|acl| acl.to_owned())
    }
}

fn is_read(method: &Method) -> bool {
    matches!(method, Method::Get | Method::Head)
}

/// Checks the account ACL that a request wants to set, and puts it where it is stored.
fn take_account_acl(request: &mut ProxyRequest) -> Result<(), Response> {
    let Some(acl) = request.http.headers.get(ACCOUNT_ACL) else { return Ok(()) };
    let text = String::from_utf8_lossy(acl).into_owned();
    if let Err(error) = check_account_acl(&text) {
        let why = format!("X-Account-Access-Control invalid: {error}\n\nInput: {text}\n");
        return Err(Response::new(400).with("Content-Type", "text/plain; charset=UTF-8").with_body(why));
    }
    request.http.headers.remove(ACCOUNT_ACL);
    request.http.headers.set(ACCOUNT_ACL_SYSMETA, text);
    Ok(())
}

fn container_acl_allows(request: &ProxyRequest, subject: &Subject, groups: &[&str]) -> bool {
    let acl = ContainerAcl::parse(request.env.acl.as_deref().unwrap_or_default());
    let referrer_counts = subject.has_object || acl.has_group(".rlistings");
    (referrer_counts && acl.allows_referrer(request.http.headers.get_str("Referer")))
        || groups.iter().any(|group| acl.has_group(group))
}
