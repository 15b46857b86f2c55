//! `strongroom assess`: the first meeting with a school. Reads once, writes one page, keeps
//! nothing, and removes its own consent.

use crate::{
    Global,
    export::{self, SchoolReport},
    output,
    page::escape,
};
use anyhow::{Context, bail};
use clap::Args;
use jiff::Timestamp;
use serde_json::json;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use strongroom_model::{CollectionState, Configuration, Ending, collections::directory, is_guid};
use strongroom_operations::{
    Choice, Identity, School,
    assess::{self, Consent, MINUTES_WAITED, TRIES},
    config::{BackupEntry, Config, IdentityEntry, TenantEntry},
    files::written,
    rules::{Report, RuleVerdict},
    settings::secure_score,
};
use url::Url;

#[derive(Args)]
pub(crate) struct Assess {
    /// The school's tenant id, or one of its domains; without it the configuration's tenant is
    /// assessed.
    #[arg(long, requires = "application_id", requires = "certificate_file")]
    tenant_id: Option<String>,
    /// The application that the school consented to.
    #[arg(long)]
    application_id: Option<String>,
    /// Its certificate and private key, PEM.
    #[arg(long)]
    certificate_file: Option<PathBuf>,
    /// Where to sign in.
    #[arg(long, default_value = "https://login.microsoftonline.com/")]
    authority: Url,
    /// Microsoft Graph.
    #[arg(long, default_value = "https://graph.microsoft.com/")]
    graph: Url,
    /// A CA beside the system's, PEM.
    #[arg(long)]
    ca_file: Option<PathBuf>,
    /// The page.
    #[arg(long, default_value = "assessment.html")]
    out: PathBuf,
    /// Do not wait for Exchange, Teams and Purview, which take minutes.
    #[arg(long)]
    quick: bool,
    /// Leave the consent: the school stays. A tenant of the configuration always keeps it.
    #[arg(long)]
    keep_consent: bool,
}

/// Who is assessed: a school of the configuration, or one that nobody knows yet.
fn who(global: &Global, args: &Assess) -> anyhow::Result<School> {
    let Some(id) = &args.tenant_id else {
        global.config().context(
            "without --tenant-id, --application-id and \
            --certificate-file a configuration says who is assessed",
        )?;
        return global.school();
    };
    if let Some(name) = global.tenant() {
        bail!(
            "--tenant {name} is a school of the configuration and --tenant-id one that it does not \
             know; give one of them"
        );
    }
    let identity = IdentityEntry {
        application_id: args.application_id.clone().unwrap_or_default(),
        certificate_file: args.certificate_file.clone(),
        secret_file: None,
    };
    let tenant = TenantEntry {
        name: id.clone(),
        tenant_id: id.clone(),
        authority: args.authority.clone(),
        graph: args.graph.clone(),
        ca_file: args.ca_file.clone(),
        repository: String::new(),
        vault: None,
        exceptions: None,
        reviewer: None,
        alarm_command: None,
        labels: Vec::new(),
        backup: BackupEntry { tries: TRIES, ..BackupEntry::default() },
        identities: BTreeMap::from([(Identity::Read.name().to_owned(), identity)]),
    };
    // The same sentences as of a configuration: nothing is sent to an address that is none.
    if let Some(wrong) = tenant.unreachable().into_iter().next() {
        bail!(wrong);
    }
    let config = Arc::new(Config::empty(std::env::current_dir().unwrap_or_default()));
    Ok(School::of(tenant, &config, &global.host, &Choice::default()))
}

pub(crate) async fn assess(global: &Global, args: Assess) -> anyhow::Result<Ending> {
    let who = who(global, &args)?;
    // A page that cannot be written is better known before a school is asked; what stands there
    // stays until there is another.
    written::possible(&args.out)
        .with_context(|| format!("{} cannot be written", args.out.display()))?;
    // A school of the configuration stays, and its backup with it.
    let stays = args.keep_consent || args.tenant_id.is_none();
    let known = stays || backs_up(global, args.application_id.as_deref())?;
    let began = who.now();
    let bar = global.bar();
    let assessed = assess::assess(&who, args.quick, bar.clone()).await;
    bar.finish();
    let assessed = assessed?;
    assessed.told.iter().for_each(|text| eprintln!("{}", output::alarm(text)));
    let (found, report) = (&assessed.found, &assessed.report);
    let put = |consent: &Consent| {
        let page = crate::face::for_file(&page(found, report, consent, began));
        written::put(&args.out, page.as_bytes())
            .with_context(|| format!("{} cannot be written", args.out.display()))
    };
    // The page first: after the consent is gone nobody looks a second time.
    put(&Consent::Stays("its removal was not yet tried when this page was written".to_owned()))?;
    let consent = match known {
        true => Consent::Kept,
        false => assess::leave(&who, &assessed).await,
    };
    let blind = assessed.blind();
    put(&consent)?;
    let seconds = (who.now().as_millisecond() - began.as_millisecond()) as f64 / 1000.0;
    let failed = report.counts.get(&RuleVerdict::Failed).copied().unwrap_or(0);
    if global.json {
        let value = json!({
            "tenant": who.name(), "score": report.score, "counts": report.counts,
                "findings": report.findings, "out": args.out, "seconds": seconds,
            "collections_not_read": blind, "consent": consent.word(), "consent_why": consent.why(),
                "requests": assessed.requests(),
        });
        println!("{value}");
    } else {
        println!(
            "{}: score {}, {failed} rules failed, {blind} collections could not be read; {} \
             requests, {}",
            who.name(),
            report.score.map_or_else(|| "unknown".to_owned(), |s| format!("{s} of 100")),
            assessed.requests(),
            output::seconds(seconds)
        );
        if !assessed.in_time && !args.quick {
            println!(
                "Exchange, Teams and Purview did not answer within {} minutes and are left out",
                MINUTES_WAITED
            );
        }
        match &consent {
            Consent::Removed => {
                println!("the consent is removed: the application can no longer sign in")
            }
            Consent::Kept => println!("the consent stays"),
            Consent::Stays(why) => {
                println!("{}", output::alarm(&format!("THE CONSENT STAYS: {why}; {BY_HAND}")))
            }
        }
        println!("the page is {}", args.out.display());
    }
    Ok(assessed.ending(&consent))
}

/// Whether the configuration, where there is one, names this application as one of a school's. One
/// that cannot be understood may name it.
fn backs_up(global: &Global, application_id: Option<&str>) -> anyhow::Result<bool> {
    let config = global.config_if_there().context(
        "the configuration says whose application stays in its tenant; --keep-consent assesses \
         without it, and removes none",
    )?;
    let Some(config) = config else { return Ok(false) };
    Ok(application_id.is_some_and(|id| assess::is_known(&config, id)))
}

const BY_HAND: &str =
    "an administrator of the school deletes it under Entra admin center, Enterprise applications";

/// What no backup brings back, whoever sells it, and what a school should do about it.
const UNCOVERED: &[(&str, &str)] = &[
    (
        "Passwords, passkeys and registered phones of people",
        "no interface gives them; after a loss everybody registers anew. Keep emergency accounts \
         with keys in a safe.",
    ),
    (
        "Secrets and private keys of applications",
        "Microsoft never shows them again; keep them where they were made.",
    ),
    (
        "BitLocker keys of devices that were deleted",
        "they go with the device object. Keep a copy before devices are removed.",
    ),
    (
        "The addresses of sharing links, and authors and numbers of file versions",
        "what is put back gets new ones.",
    ),
    (
        "Sign-in and audit logs older than 7, 30 or 180 days",
        "Microsoft deletes them by licence; send them to a place of the school's own.",
    ),
    (
        "Power Platform: apps, flows and their connections; Power BI",
        "they have interfaces of their own that no backup of Microsoft 365 reads; export \
         solutions.",
    ),
    ("Public folders of Exchange", "Graph does not have them."),
    (
        "Content under encryption with the school's own keys",
        "without the keys a copy is noise; keep the keys apart.",
    ),
    ("OneNote notebooks as packages", "access without a person ended in 2025."),
];

/// One page that needs nothing else.
fn page(found: &Configuration, report: &Report, consent: &Consent, at: Timestamp) -> String {
    // A tenant that was named by its id is called by its name.
    let organization = found
        .collections
        .get(directory::ORGANIZATION)
        .and_then(|c| c.objects.first())
        .and_then(|o| o.body["displayName"].as_str());
    let name = organization.filter(|_| is_guid(&found.tenant)).unwrap_or(&found.tenant).to_owned();
    let school = SchoolReport {
        name,
        secure_score: secure_score(found),
        report: Ok(report.clone()),
        blind: false,
    };
    let mut more = String::from(
        "<h2>What no backup covers</h2>\n<p>Whoever keeps the copies: these do not come back, or \
         come back otherwise.</p>\n<dl>\n",
    );
    for (what, why) in UNCOVERED {
        more.push_str(&format!(
            "<dt><strong>{}</strong></dt><dd>{}</dd>\n",
            escape(what),
            escape(why)
        ));
    }
    more.push_str("</dl>\n<h2>What was not seen</h2>\n");
    let unseen: Vec<String> = found
        .collections
        .iter()
        .filter(|(_, c)| c.state != CollectionState::Collected)
        .map(|(name, c)| {
            format!("<li><code>{}</code>: {}</li>\n", escape(name), escape(&c.state.lack()))
        })
        .collect();
    more.push_str(&if unseen.is_empty() {
        "<p>Everything that was asked for was answered.</p>\n".to_owned()
    } else {
        format!("<ul>\n{}</ul>\n", unseen.concat())
    });
    more.push_str("<h2>The consent</h2>\n<p>");
    more.push_str(&match consent {
        Consent::Removed => "The application that read all this has removed itself; a new sign-in \
            was refused."
            .to_owned(),
        Consent::Kept => {
            "The application that read all this stays in the tenant, as agreed.".to_owned()
        }
        Consent::Stays(why) => {
            format!(
                "<strong class=\"bad\">The application that read all this is still in the \
                tenant</strong>: {}; {BY_HAND}.",
                escape(why)
            )
        }
    });
    more.push_str("</p>\n");
    export::html(&[school], at, &more)
}
