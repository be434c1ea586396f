//! Who asks the API, and what they may do: the super admin everything, reseller admins all but making their like,
//! account admins what is in their account.

use super::records::{ADMIN, RESELLER_ADMIN, User};
use super::store::StoreError;
use super::{Swauth, keys};
use crate::http::Response;
use crate::proxy::app::ProxyRequest;
use crate::proxy::auth::{realm, same_secret, unauthorized};

/// The user that `super_admin_key` is the key of.
pub const SUPER_ADMIN: &str = ".super_admin";

/// Who asks.
pub enum Asker {
    /// Nobody we know, or with a wrong key; the realm of the 401.
    Stranger(String),
    /// A user.
    User { account: String, name: String, user: User },
    /// The super admin.
    SuperAdmin,
}

impl Swauth {
    /// Who asks, by `X-Auth-Admin-User` and `X-Auth-Admin-Key`.
    pub async fn asker(&self, request: &ProxyRequest) -> Result<Asker, StoreError> {
        let given = |name| request.http.headers.get_str(name).unwrap_or_default();
        let (admin, key) = (given("X-Auth-Admin-User"), given("X-Auth-Admin-Key"));
        let stranger = Asker::Stranger(realm(&request.http.path));
        if admin == SUPER_ADMIN {
            let expected = self.config.super_admin_key.as_deref();
            let is_right = expected.is_some_and(|expected| same_secret(expected, key));
            return Ok(if is_right { Asker::SuperAdmin } else { stranger });
        }
        let Some((account, name)) = admin.split_once(':') else { return Ok(stranger) };
        match self.user(&request.env, account, name).await? {
            Some(found) if keys::matches(&found.record.auth, key) => {
                request.env.log.lock().user_id.get_or_insert_with(|| admin.into());
                Ok(Asker::User { account: account.into(), name: name.into(), user: found.record })
            }
            _ => Ok(stranger),
        }
    }
}

impl Asker {
    /// Nothing for those who may do everything, a refusal for others.
    pub fn must_be_super_admin(&self) -> Result<(), Response> {
        self.allow(matches!(self, Self::SuperAdmin))
    }

    /// The same for reseller admins and the super admin.
    pub fn must_be_reseller_admin(&self) -> Result<(), Response> {
        self.allow(self.is_reseller_admin())
    }

    /// The same for admins of `account`, reseller admins and the super admin.
    pub fn must_be_admin_of(&self, account: &str) -> Result<(), Response> {
        self.allow(self.is_admin_of(account))
    }

    /// Whether it is a reseller admin or the super admin.
    pub fn is_reseller_admin(&self) -> bool {
        match self {
            Self::SuperAdmin => true,
            Self::User { user, .. } => user.is_in(RESELLER_ADMIN),
            Self::Stranger(_) => false,
        }
    }

    /// Whether it is an admin of `account`, a reseller admin or the super admin.
    pub fn is_admin_of(&self, account: &str) -> bool {
        let is_own = |of: &str, user: &User| of == account && user.is_in(ADMIN);
        self.is_reseller_admin() || matches!(self, Self::User { account, user, .. } if is_own(account, user))
    }

    /// Whether it is the user `name` of `account`, and is to get no right that it does not have.
    pub fn may_change_own_key(&self, account: &str, name: &str, groups: &[&str]) -> bool {
        matches!(self, Self::User { account: own_account, name: own_name, user }
            if own_account == account && own_name == name && groups.iter().all(|group| user.is_in(group)))
    }

    /// 403 to whom we know, 401 to others, unless `allowed`.
    pub fn allow(&self, allowed: bool) -> Result<(), Response> {
        match self {
            _ if allowed => Ok(()),
            Self::Stranger(realm) => Err(unauthorized(realm)),
            _ => Err(Response::standard(403)),
        }
    }
}
