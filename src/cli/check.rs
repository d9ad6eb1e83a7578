//! `frontdesk check`: says everything that is wrong with a lease source or a compiled table, or what it holds.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::leases::Files;
use super::{Failure, exit, print};
use crate::lease::record::{SUBNET_SLAAC, SUBNET_STATEFUL, SUBNET_STATELESS};
use crate::lease::{Form, LeaseTable, LoadError, Loaded, Problem, Severity, load_locked};

const LONG: &str = "\
Check a lease source (TOML or JSON) or a compiled table and print every problem, or a summary.

Each problem is one line on standard output,

    FILE:LINE: error: FIELD: what is wrong (VALUE); what to do

so that an editor can jump to it. All problems are found in one run, in the order of the file. Warnings do not make a \
source invalid: it compiles, but may not do what was meant.

Where ports get addresses or prefixes out of pools, the lock file beside the source (leases.lock for leases.toml) must \
list them all: one that `frontdesk compile` would change is an error.

A source that passes prints what it holds: networks, ports, the ways in which guests get their addresses, addresses, \
delegated prefixes. Nothing is written and nothing is asked of the network.";

const AFTER: &str = "\
Exit codes: 0 no errors; 65 the source or the table has errors; 66 the file cannot be read; 71 the problems cannot be \
printed.

Examples:
  frontdesk check leases.toml
  frontdesk check --json leases.toml | jq '.problems[] | select(.severity == \"error\")'";

/// Check a lease source and print every problem, or a summary.
#[derive(clap::Args)]
#[command(long_about = LONG, after_help = AFTER)]
pub(super) struct Args {
    /// Lease source (TOML, or JSON if it ends in .json or starts with a brace) or compiled table.
    #[arg(value_name = "LEASES")]
    leases: PathBuf,
    /// Print one JSON object: file, form, valid, problems, summary.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<u8, Failure> {
    let files = Files::read(&args.leases)?;
    let outcome = load_locked(&files.name, files.leases, files.lock);
    let code = if outcome.is_ok() { exit::OK } else { exit::DATA };
    let name = &files.name;
    print::text(if args.json { json(name, &outcome) } else { text(name, &outcome) })?;
    Ok(code)
}

fn problems(outcome: &Result<Loaded, LoadError>) -> &[Problem] {
    match outcome {
        Ok(loaded) => &loaded.warnings,
        Err(LoadError::Source(problems)) => problems,
        Err(LoadError::Table { .. }) => &[],
    }
}

fn text(name: &str, outcome: &Result<Loaded, LoadError>) -> String {
    let mut out = String::new();
    for problem in problems(outcome) {
        let _ = writeln!(out, "{problem}");
    }
    let counted = counted(problems(outcome));
    let _ = match outcome {
        Ok(loaded) => {
            let form = if loaded.form == Form::Table { "compiled table" } else { "lease source" };
            let summary = Summary::new(&loaded.table).to_string();
            writeln!(out, "{name}: {form}, {counted}\n{summary}")
        }
        Err(LoadError::Source(_)) => writeln!(out, "{name}: {counted}"),
        Err(error) => writeln!(out, "{error}"),
    };
    out
}

/// `2 errors, 1 warning`.
pub(super) fn counted(problems: &[Problem]) -> String {
    let of = |severity| problems.iter().filter(|problem| problem.severity == severity).count();
    let plural = |count: usize, word: &str| match count {
        0 => format!("no {word}s"),
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    };
    format!("{}, {}", plural(of(Severity::Error), "error"), plural(of(Severity::Warning), "warning"))
}

fn json(name: &str, outcome: &Result<Loaded, LoadError>) -> String {
    let mut object = serde_json::json!({
        "file": name,
        "valid": outcome.is_ok(),
        "problems": problems(outcome),
    });
    match outcome {
        Ok(loaded) => {
            let form = if loaded.form == Form::Table { "table" } else { "source" };
            object["form"] = form.into();
            object["summary"] = serde_json::json!(Summary::new(&loaded.table));
        }
        Err(LoadError::Source(_)) => object["form"] = "source".into(),
        Err(LoadError::Table { why, .. }) => {
            object["form"] = "table".into();
            object["refused"] = why.to_string().into();
        }
    }
    format!("{object}\n")
}

/// What a table holds.
#[derive(Debug, Default, PartialEq, Eq, serde::Serialize)]
struct Summary {
    networks: usize,
    ports: usize,
    /// Ports whose network has a subnet of this mode.
    slaac: usize,
    dhcpv6_stateless: usize,
    dhcpv6_stateful: usize,
    /// Ports with an address that DHCPv6 assigns, and their addresses.
    assigned_addresses: usize,
    /// Addresses that hosts make themselves.
    slaac_addresses: usize,
    delegated_prefixes: usize,
}

impl Summary {
    fn new(table: &LeaseTable) -> Self {
        let mut summary =
            Self { networks: table.network_count(), ports: table.port_count(), ..Self::default() };
        for port in table.ports() {
            let network = port.network();
            let flags = network.subnets().iter();
            let (mut slaac, mut stateless, mut stateful) = (false, false, false);
            for flags in flags.map(|subnet| subnet.flags) {
                stateless |= flags & SUBNET_STATELESS != 0;
                slaac |= flags & SUBNET_SLAAC != 0 && flags & SUBNET_STATELESS == 0;
                stateful |= flags & SUBNET_STATEFUL != 0;
            }
            summary.slaac += usize::from(slaac);
            summary.dhcpv6_stateless += usize::from(stateless);
            summary.dhcpv6_stateful += usize::from(stateful);
            summary.slaac_addresses += port.slaac_addresses().count();
            summary.assigned_addresses += port.addresses().len();
            summary.delegated_prefixes += port.prefixes().len();
        }
        summary
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(out, "  networks            {:>9}", self.networks)?;
        writeln!(out, "  ports               {:>9}", self.ports)?;
        writeln!(out, "    slaac             {:>9}", self.slaac)?;
        writeln!(out, "    dhcpv6-stateless  {:>9}", self.dhcpv6_stateless)?;
        writeln!(out, "    dhcpv6-stateful   {:>9}", self.dhcpv6_stateful)?;
        writeln!(out, "  SLAAC addresses     {:>9}", self.slaac_addresses)?;
        writeln!(out, "  DHCPv6 addresses    {:>9}", self.assigned_addresses)?;
        write!(out, "  delegated prefixes  {:>9}", self.delegated_prefixes)
    }
}
