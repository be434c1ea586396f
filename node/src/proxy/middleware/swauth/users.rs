//! The API's requests about users: `/v2/<account>/<user>` and `/v2/<account>/.groups`.

use super::records::{ADMIN, Group, RESELLER_ADMIN, User, to_json};
use super::store::{StoreError, Stored};
use super::tokens::TOKEN_META;
use super::{Swauth, is_name, json_answer, keys};
use crate::http::Response;
use crate::proxy::app::{Env, ProxyRequest};
use serde_json::json;
use std::collections::BTreeSet;
use swiftlet_types::names::unquote;

/// The metadata of a user's object that names the storage account.
pub const ACCOUNT_ID_META: &str = "X-Object-Meta-Account-Id";

impl Swauth {
    /// What is stored of a user.
    pub async fn user(
        &self,
        env: &Env,
        account: &str,
        user: &str,
    ) -> Result<Option<Stored<User>>, StoreError> {
        if !is_name(account) || !is_name(user) {
            return Ok(None);
        }
        self.store.read(env, [account, user]).await
    }

    /// `GET <account>/<user>`: the key as it is stored, and the groups.
    pub async fn show_user(
        &self,
        request: &ProxyRequest,
        account: &str,
        user: &str,
    ) -> Result<Response, Response> {
        let asker = self.asker(request).await?;
        asker.must_be_admin_of(account)?;
        let found =
            self.user(&request.env, account, user).await?.ok_or_else(|| Response::standard(404))?.record;
        if found.is_in(RESELLER_ADMIN) {
            asker.must_be_super_admin()?;
        } else if found.is_in(ADMIN) {
            asker.must_be_reseller_admin()?;
        }
        Ok(json_answer(&found))
    }

    /// `GET <account>/.groups`: every group that one of its users is in.
    pub async fn list_groups(&self, request: &ProxyRequest, account: &str) -> Result<Response, Response> {
        self.asker(request).await?.must_be_admin_of(account)?;
        let users = self.store.names(&request.env, Some(account)).await?;
        let mut groups = BTreeSet::new();
        for user in users.ok_or_else(|| Response::standard(404))? {
            // one that is gone by now is in no group
            if let Some(found) = self.user(&request.env, account, &user).await? {
                groups.extend(found.record.groups.into_iter().map(|group| group.name));
            }
        }
        let groups: Vec<Group> = groups.into_iter().map(|name| Group { name }).collect();
        Ok(json_answer(&json!({"groups": groups})))
    }

    /// `PUT <account>/<user>`: makes the user, or gives them another key and other rights.
    pub async fn put_user(
        &self,
        request: &ProxyRequest,
        account: &str,
        user: &str,
    ) -> Result<Response, Response> {
        let env = &request.env;
        let auth = self.stored_key(request).ok_or_else(|| Response::standard(400))?;
        let extra = rights(request);
        let asker = self.asker(request).await?;
        let before = self.user(env, account, user).await?;
        let was_reseller_admin = before.as_ref().is_some_and(|user| user.record.is_in(RESELLER_ADMIN));
        if !asker.may_change_own_key(account, user, extra) {
            match was_reseller_admin || extra.contains(&RESELLER_ADMIN) {
                true => asker.must_be_super_admin()?,
                false => asker.must_be_admin_of(account)?,
            }
        }
        let account_id = self.account_id(env, account).await?.ok_or_else(|| Response::standard(404))?;
        let own = [format!("{account}:{user}"), account.to_owned()];
        let groups = own.into_iter().chain(extra.iter().map(|&group| group.to_owned()));
        let record = User { auth, groups: groups.map(|name| Group { name }).collect() };
        let path = self.store.path(&[account, user]);
        if !self.store.write(env, path, &[(ACCOUNT_ID_META, &account_id)], to_json(&record)).await? {
            return Err(Response::standard(404));
        }
        // The old token has the old rights, and belongs to whoever knew the old key.
        self.revoke_token_of(env, before).await?;
        Ok(Response::standard(201))
    }

    /// `DELETE <account>/<user>`, and their token.
    pub async fn delete_user(
        &self,
        request: &ProxyRequest,
        account: &str,
        user: &str,
    ) -> Result<Response, Response> {
        let env = &request.env;
        let asker = self.asker(request).await?;
        asker.must_be_admin_of(account)?;
        let before = self.user(env, account, user).await?.ok_or_else(|| Response::standard(404))?;
        if before.record.is_in(RESELLER_ADMIN) {
            asker.must_be_super_admin()?;
        }
        self.store.delete(env, self.store.path(&[account, user])).await?;
        self.revoke_token_of(env, Some(before)).await?;
        Ok(Response::standard(204))
    }

    async fn revoke_token_of(&self, env: &Env, user: Option<Stored<User>>) -> Result<(), StoreError> {
        match user.as_ref().and_then(|user| user.headers.get_str(TOKEN_META)) {
            Some(token) => self.revoke(env, token).await,
            None => Ok(()),
        }
    }

    /// The key as it is to be stored; `None` where none, or no good one, is given.
    fn stored_key(&self, request: &ProxyRequest) -> Option<String> {
        let given = |name| {
            let value = request.http.headers.get(name).map(unquote)?;
            String::from_utf8(value).ok().filter(|value| !value.is_empty())
        };
        match (given("X-Auth-User-Key"), given("X-Auth-User-Key-Hash")) {
            (_, Some(encoded)) => keys::is_encoded(&encoded).then_some(encoded),
            (Some(key), None) => Some(self.config.auth_type.encode(&key)),
            (None, None) => None,
        }
    }
}

/// The groups beside their own that a user is to be in: a reseller admin is an admin of the account too.
fn rights(request: &ProxyRequest) -> &'static [&'static str] {
    let is_true = |name| request.http.headers.get(name) == Some(b"true");
    match (is_true("X-Auth-User-Reseller-Admin"), is_true("X-Auth-User-Admin")) {
        (true, _) => &[ADMIN, RESELLER_ADMIN],
        (false, true) => &[ADMIN],
        (false, false) => &[],
    }
}
