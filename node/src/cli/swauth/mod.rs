//! The commands of swauth, with its arguments and what it prints: nothing where all is well, one line on standard error
//! and exit code 1 where the service refuses. Without arguments, or with too many or too few, it is the help.

mod arguments;
mod cleanup_tokens;
mod service;

use arguments::{Arguments, Flag, Outcome};
use serde_json::{Value, json};
use service::{Failure, Service};
use std::ffi::OsString;
use std::process::ExitCode;
use swiftlet_types::names::{quote_component, unquote};

/// One of swauth's commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwauthCommand {
    /// Makes what everything is kept in.
    Prep,
    /// Makes an account.
    AddAccount,
    /// Makes a user, or changes their key and rights.
    AddUser,
    /// Lists accounts, an account's users or a user's groups.
    List,
    /// Sets an end point of an account's services.
    SetAccountService,
    /// Deletes an account without users.
    DeleteAccount,
    /// Deletes a user.
    DeleteUser,
    /// Deletes tokens that expired.
    CleanupTokens,
}

impl SwauthCommand {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Prep,
        Self::AddAccount,
        Self::AddUser,
        Self::List,
        Self::SetAccountService,
        Self::DeleteAccount,
        Self::DeleteUser,
        Self::CleanupTokens,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prep => "swauth-prep",
            Self::AddAccount => "swauth-add-account",
            Self::AddUser => "swauth-add-user",
            Self::List => "swauth-list",
            Self::SetAccountService => "swauth-set-account-service",
            Self::DeleteAccount => "swauth-delete-account",
            Self::DeleteUser => "swauth-delete-user",
            Self::CleanupTokens => "swauth-cleanup-tokens",
        }
    }

    /// The words that follow its options; those in brackets may be left out.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Prep | Self::CleanupTokens => &[],
            Self::AddAccount | Self::DeleteAccount => &["<account>"],
            Self::AddUser => &["<account>", "<user>", "<password>"],
            Self::List => &["[account]", "[user]"],
            Self::SetAccountService => &["<account>", "<service>", "<name>", "<value>"],
            Self::DeleteUser => &["<account>", "<user>"],
        }
    }

    /// Its options beside those that all have.
    fn flags(self) -> &'static [Flag] {
        match self {
            Self::AddAccount => &[Flag::SUFFIX],
            Self::AddUser => &[Flag::ADMIN, Flag::RESELLER_ADMIN, Flag::SUFFIX, Flag::HASHED],
            Self::List => &[Flag::PLAIN_TEXT],
            Self::CleanupTokens => {
                &[Flag::TOKEN_LIFE, Flag::SLEEP, Flag::VERBOSE, Flag::PURGE, Flag::PURGE_ALL]
            }
            _ => &[],
        }
    }

    /// What failed, in the line that says so.
    fn failed(self) -> &'static str {
        match self {
            Self::Prep => "Auth subsystem prep failed",
            Self::AddAccount => "Account creation failed",
            Self::AddUser => "User creation failed",
            Self::List => "List failed",
            Self::SetAccountService => "Service set failed",
            Self::DeleteAccount => "Account deletion failed",
            Self::DeleteUser => "User deletion failed",
            Self::CleanupTokens => "Token cleanup failed",
        }
    }

    /// Runs it with the arguments that follow its name.
    pub fn run(self, given: &[OsString]) -> ExitCode {
        let arguments = match Arguments::parse(self.name(), self.words(), self.flags(), given) {
            Outcome::Run(arguments) => arguments,
            Outcome::Exit(code) => return code,
        };
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                eprintln!("{}: {error}", self.failed());
                return ExitCode::FAILURE;
            }
        };
        match runtime.block_on(self.carry_out(&arguments)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                eprintln!("{}: {failure}", self.failed());
                ExitCode::FAILURE
            }
        }
    }

    async fn carry_out(self, arguments: &Arguments) -> Result<(), Failure> {
        let service = Service::new(arguments)?;
        let words: Vec<&str> = arguments.words.iter().map(String::as_str).collect();
        match (self, &words[..]) {
            (Self::Prep, _) => service.call("POST", &[".prep"], &[], "").await.map(drop),
            (Self::AddAccount, [account]) => add_account(&service, arguments, account).await,
            (Self::AddUser, [account, user, password]) => {
                add_user(&service, arguments, account, user, password).await
            }
            (Self::List, names) => list(&service, names, arguments.is_set(Flag::PLAIN_TEXT)).await,
            (Self::SetAccountService, [account, of, name, value]) => {
                let body = json!({*of: {*name: value}}).to_string();
                service.call("POST", &[account, ".services"], &[], &body).await.map(drop)
            }
            (Self::DeleteAccount | Self::DeleteUser, names) => {
                service.call("DELETE", names, &[], "").await.map(drop)
            }
            (Self::CleanupTokens, _) => cleanup_tokens::run(&service, arguments).await,
            _ => Err(Failure::Usage("the number of words was checked".into())),
        }
    }
}

async fn add_account(service: &Service, arguments: &Arguments, account: &str) -> Result<(), Failure> {
    let suffix: Vec<_> =
        arguments.value(Flag::SUFFIX).map(|s| ("X-Account-Suffix", s.to_owned())).into_iter().collect();
    service.call("PUT", &[account], &suffix, "").await.map(drop)
}

async fn add_user(
    service: &Service,
    arguments: &Arguments,
    account: &str,
    user: &str,
    password: &str,
) -> Result<(), Failure> {
    // Who changes their own key may neither see nor make the account.
    if arguments.admin_user != format!("{account}:{user}") {
        match service.call("GET", &[account], &[], "").await {
            Err(Failure::Status(404)) => add_account(service, arguments, account).await?,
            seen => drop(seen?),
        }
    }
    let key_header = if arguments.is_set(Flag::HASHED) { "X-Auth-User-Key-Hash" } else { "X-Auth-User-Key" };
    let mut headers = vec![(key_header, quote_component(password))];
    for (flag, header) in
        [(Flag::ADMIN, "X-Auth-User-Admin"), (Flag::RESELLER_ADMIN, "X-Auth-User-Reseller-Admin")]
    {
        if arguments.is_set(flag) {
            headers.push((header, "true".to_owned()));
        }
    }
    service.call("PUT", &[account, user], &headers, "").await.map(drop)
}

async fn list(service: &Service, names: &[&str], plain_text: bool) -> Result<(), Failure> {
    let body = service.call("GET", names, &[], "").await?.body;
    let text = String::from_utf8_lossy(&body);
    if !plain_text {
        println!("{text}");
        return Ok(());
    }
    let listed = ["accounts", "users", "groups"][names.len().min(2)];
    let answer: Value = serde_json::from_str(&text).map_err(|error| Failure::Answer(error.to_string()))?;
    let lines = answer[listed].as_array().into_iter().flatten();
    for name in lines.filter_map(|line| line["name"].as_str()) {
        println!("{name}");
    }
    Ok(())
}

/// `text` without percent-encoding, for what is shown.
fn shown(text: &str) -> String {
    String::from_utf8_lossy(&unquote(text)).into_owned()
}
