//! The API's requests about accounts: `/v2/.prep`, `/v2`, `/v2/<account>` and `/v2/<account>/.services`.

use super::records::{merge_services, new_services, to_json};
use super::store::StoreError;
use super::{Swauth, is_name, json_answer};
use crate::http::{Method, Response};
use crate::proxy::app::{Env, ProxyRequest};
use serde_json::{Map, Value, json};

/// The metadata of an account's container that names its storage account.
pub const ACCOUNT_ID_META: &str = "X-Container-Meta-Account-Id";
const SERVICES: &str = ".services";
const ACCOUNT_IDS: &str = ".account_id";
/// What a client may say of services.
const MAX_SERVICES_BYTES: usize = 64 << 10;

impl Swauth {
    /// `POST .prep`: makes what everything is kept in.
    pub async fn prepare(&self, request: &ProxyRequest) -> Result<Response, Response> {
        self.asker(request).await?.must_be_super_admin()?;
        let env = &request.env;
        self.make(env, self.store.path(&[])).await?;
        self.make(env, self.store.path(&[ACCOUNT_IDS])).await?;
        for digit in "0123456789abcdef".chars() {
            self.make(env, self.store.path(&[&format!(".token_{digit}")])).await?;
        }
        Ok(Response::standard(204))
    }

    /// `GET`: the accounts.
    pub async fn list_accounts(&self, request: &ProxyRequest) -> Result<Response, Response> {
        self.asker(request).await?.must_be_reseller_admin()?;
        let accounts = self.store.names(&request.env, None).await?.ok_or_else(|| Response::standard(404))?;
        Ok(json_answer(&json!({"accounts": named(accounts)})))
    }

    /// `GET <account>`: its storage account, services and users.
    pub async fn show_account(&self, request: &ProxyRequest, account: &str) -> Result<Response, Response> {
        self.asker(request).await?.must_be_admin_of(account)?;
        let not_found = || Response::standard(404);
        let services = self.services(&request.env, account).await?.ok_or_else(not_found)?;
        let account_id = self.account_id(&request.env, account).await?.ok_or_else(not_found)?;
        let users = self.store.names(&request.env, Some(account)).await?.ok_or_else(not_found)?;
        Ok(json_answer(&json!({"account_id": account_id, "services": services, "users": named(users)})))
    }

    /// `PUT <account>`: makes it, and a storage account for it.
    pub async fn put_account(&self, request: &ProxyRequest, account: &str) -> Result<Response, Response> {
        self.asker(request).await?.must_be_reseller_admin()?;
        let env = &request.env;
        if self.account_id(env, account).await?.is_some() {
            return Ok(Response::standard(202));
        }
        let suffix = match request.http.headers.get_str("X-Account-Suffix") {
            None | Some("") => random_uuid(),
            // A dot would lead to the auth account, a slash out of the account.
            Some(suffix) if is_name(suffix) => suffix.to_owned(),
            Some(_) => return Err(Response::standard(400)),
        };
        let account_id = format!("{}{suffix}", self.config.resellers.first());
        self.make(env, format!("/v1/{account_id}")).await?;
        let container = self.store.path(&[account]);
        self.make(env, container.clone()).await?;
        let services =
            new_services(&self.config.cluster_name, &format!("{}/{account_id}", self.config.cluster_url));
        let id = self.store.path(&[ACCOUNT_IDS, &account_id]);
        let kept = self.store.write_in_new(env, id, account.to_owned()).await?
            && self.store.write_in_new(env, self.store.path(&[account, SERVICES]), to_json(&services)).await?
            // What says that the account is there comes last: until then it can be made again.
            && self.store.set(env, container, &[(ACCOUNT_ID_META, &account_id)]).await?;
        if kept { Ok(Response::standard(201)) } else { Err(self.not_prepared()) }
    }

    /// `DELETE <account>`: 409 while it has users.
    pub async fn delete_account(&self, request: &ProxyRequest, account: &str) -> Result<Response, Response> {
        self.asker(request).await?.must_be_reseller_admin()?;
        let env = &request.env;
        let users = self.store.names(env, Some(account)).await?.ok_or_else(|| Response::standard(404))?;
        if !users.is_empty() {
            return Err(Response::standard(409));
        }
        if let Some(account_id) = self.account_id(env, account).await? {
            match self.store.delete(env, format!("/v1/{account_id}")).await {
                Err(StoreError::Refused { status: 409, .. }) => return Err(Response::standard(409)),
                deleted => deleted?,
            };
            self.store.delete(env, self.store.path(&[account, SERVICES])).await?;
            self.store.delete(env, self.store.path(&[ACCOUNT_IDS, &account_id])).await?;
        }
        self.store.delete(env, self.store.path(&[account])).await?;
        Ok(Response::standard(204))
    }

    /// `POST <account>/.services`: adds end points or changes them.
    pub async fn set_services(
        &self,
        request: &mut ProxyRequest,
        account: &str,
    ) -> Result<Response, Response> {
        self.asker(request).await?.must_be_reseller_admin()?;
        let bad = |why: String| Response::html(400, why);
        let body =
            request.http.body.read_all(MAX_SERVICES_BYTES).await.map_err(|error| bad(error.to_string()))?;
        let new: Value = serde_json::from_slice(&body).map_err(|error| bad(error.to_string()))?;
        let services = self.services(&request.env, account).await?;
        let mut services = services.ok_or_else(|| Response::standard(404))?;
        merge_services(&mut services, &new)
            .ok_or_else(|| bad("{\"service\": {\"end point\": \"URL\"}} would be right".into()))?;
        let path = self.store.path(&[account, SERVICES]);
        self.store.write(&request.env, path, &[], to_json(&services)).await?;
        Ok(json_answer(&services))
    }

    /// Where the services of `account` are.
    pub async fn services(&self, env: &Env, account: &str) -> Result<Option<Map<String, Value>>, StoreError> {
        Ok(self.store.read(env, [account, SERVICES]).await?.map(|stored| stored.record))
    }

    /// The storage account of `account`.
    pub async fn account_id(&self, env: &Env, account: &str) -> Result<Option<String>, StoreError> {
        let headers = self.store.head(env, self.store.path(&[account])).await?;
        Ok(headers.and_then(|headers| headers.get_str(ACCOUNT_ID_META).map(str::to_owned)))
    }

    /// Other paths: files of the container `.webadmin`.
    pub async fn web_admin(&self, request: &ProxyRequest, file: &str) -> Response {
        if !matches!(request.http.method, Method::Get | Method::Head) {
            return Response::standard(405);
        }
        let file = if file.is_empty() { "index.html" } else { file };
        let path = self.store.path(&[".webadmin", file]);
        self.store.pass(&request.env, request.http.method.clone(), path).await
    }

    async fn make(&self, env: &Env, path: String) -> Result<(), Response> {
        if self.store.write_in_new(env, path, "").await? { Ok(()) } else { Err(self.not_prepared()) }
    }

    fn not_prepared(&self) -> Response {
        tracing::error!("swauth: {} is not there: run swauth-prep", self.config.auth_account());
        Response::standard(503)
    }
}

fn named(names: Vec<String>) -> Vec<Value> {
    names.into_iter().map(|name| json!({"name": name})).collect()
}

/// A random UUID (version 4).
fn random_uuid() -> String {
    let n = rand::random::<u128>() & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{n:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_of_version_four() {
        let uuid = random_uuid();
        let parts: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{uuid}");
        assert_eq!(&uuid[14..15], "4");
        assert!("89ab".contains(&uuid[19..20]), "{uuid}");
        assert_ne!(uuid, random_uuid());
    }
}
