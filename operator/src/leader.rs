//! One operator acts at a time: who holds the Lease.
//!
//! As client-go does it: whether a holder is gone is judged by our own clock since its record last changed, never by
//! comparing clocks of two machines. A Lease does not fence; what must not be written twice is guarded where it is
//! written (the ring index by its resourceVersion).

use anyhow::{Context, bail};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use std::time::{Duration, Instant};

/// A holder that has not renewed for this long is gone.
const LEASE: Duration = Duration::from_secs(15);
/// A holder that could not renew for this long steps down.
const RENEW_WITHIN: Duration = Duration::from_secs(10);
/// How often the Lease is renewed, or looked at.
const TICK: Duration = Duration::from_secs(4);

/// A claim to one Lease.
pub struct Leadership {
    leases: Api<Lease>,
    name: String,
    identity: String,
    /// The record of another holder as last seen, and since when it has not changed.
    seen: Option<(LeaseSpec, Instant)>,
}

impl Leadership {
    /// Will contend for Lease `name` in `namespace` as `identity`, which no other process has.
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str) -> Leadership {
        let leases = Api::namespaced(client, namespace);
        Leadership { leases, name: name.to_string(), identity: identity.to_string(), seen: None }
    }

    /// Waits until this process holds the Lease.
    pub async fn acquire(&mut self) {
        loop {
            match self.try_hold().await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::warn!(error = format!("{error:#}"), "cannot take the lease"),
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// Keeps the Lease, for as long as that is possible.
    ///
    /// # Errors
    /// When it is lost: the process must end, another one may already lead.
    pub async fn keep(&mut self) -> anyhow::Result<()> {
        let mut renewed = Instant::now();
        loop {
            tokio::time::sleep(TICK).await;
            match tokio::time::timeout(TICK, self.try_hold()).await {
                Ok(Ok(true)) => renewed = Instant::now(),
                Ok(Ok(false)) => bail!("another process holds lease {}", self.name),
                Ok(Err(error)) => tracing::warn!(error = format!("{error:#}"), "cannot renew the lease"),
                Err(_) => tracing::warn!("renewing the lease takes long"),
            }
            if renewed.elapsed() > RENEW_WITHIN {
                bail!("lease {} could not be renewed for {} s", self.name, RENEW_WITHIN.as_secs());
            }
        }
    }

    /// Gives the Lease up, so that the next one need not wait for it to run out.
    pub async fn release(&mut self) -> anyhow::Result<()> {
        let mut lease = self.leases.get(&self.name).await?;
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() == Some(&self.identity) {
            spec.holder_identity = None;
            self.leases.replace(&self.name, &PostParams::default(), &lease).await?;
        }
        Ok(())
    }

    /// Takes or renews the Lease if nobody else holds it. A conflict means that somebody was faster.
    async fn try_hold(&mut self) -> anyhow::Result<bool> {
        let context = format!("lease {}", self.name);
        let Some(mut lease) = self.leases.get_opt(&self.name).await.with_context(|| context.clone())? else {
            let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(self.record(None)) };
            return written(self.leases.create(&PostParams::default(), &lease).await).context(context);
        };
        let found = lease.spec.take().unwrap_or_default();
        if self.held_by_another(&found) {
            return Ok(false);
        }
        lease.spec = Some(self.record(Some(&found)));
        written(self.leases.replace(&self.name, &PostParams::default(), &lease).await).context(context)
    }

    fn held_by_another(&mut self, found: &LeaseSpec) -> bool {
        let holder = found.holder_identity.as_deref().unwrap_or_default();
        if holder.is_empty() || holder == self.identity {
            return false;
        }
        match &self.seen {
            Some((seen, since)) if seen == found => since.elapsed() < LEASE,
            _ => {
                self.seen = Some((found.clone(), Instant::now()));
                true
            }
        }
    }

    fn record(&self, found: Option<&LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let ours = found.filter(|found| found.holder_identity.as_deref() == Some(&self.identity));
        let transitions = found.and_then(|found| found.lease_transitions).unwrap_or_default();
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(LEASE.as_secs() as i32),
            acquire_time: ours.and_then(|found| found.acquire_time.clone()).or_else(|| Some(now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(if ours.is_some() { transitions } else { transitions + 1 }),
            ..found.cloned().unwrap_or_default()
        }
    }
}

fn written(result: kube::Result<Lease>) -> kube::Result<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}
