//! The command line: what can be typed, with help that is worth reading.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

const AFTER_HELP: &str = "\
Examples:
  kantele                                         serve http://127.0.0.1:8080/fhir from ./data
  kantele --listen 127.0.0.1:9090 --database sqlite:/var/lib/kantele/db.sqlite
  kantele demo                                    a store of fictitious persons to try things on
  kantele load examples/ package.tgz patients.ndjson
  kantele load --server http://127.0.0.1:8080/fhir examples/
  kantele package install hl7.fhir.uv.ips-2.0.0.tgz --dry-run
  kantele check --settings-table                  every setting, its default and its meaning

Settings come from flags, then from KANTELE_* variables, then from the file that --config or
KANTELE_CONFIG names, then from their defaults.";

/// A FHIR R4 server with its database inside.
#[derive(Debug, Parser)]
#[command(name = "kantele", version, about, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) shared: Shared,
    #[command(flatten)]
    pub(crate) serve: Serve,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Flags of every command.
#[derive(Args, Debug, Default)]
pub(crate) struct Shared {
    /// TOML file with settings; an unknown key in it is refused.
    #[arg(long, global = true, value_name = "FILE", env = "KANTELE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// sqlite:PATH or postgres://USER@HOST/NAME. The folder of a SQLite file is made.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database: Option<String>,
    /// error, warn, info, debug (a line for each request) or trace.
    #[arg(long, global = true, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// text or json.
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
    /// Any setting by its key, as in --set limits.max_body_bytes=1000000.
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

/// Flags of `serve`, which may also stand where no command is named.
#[derive(Args, Debug, Default)]
pub(crate) struct Serve {
    /// Address and port; port 0 takes a free one. The first line of output tells which.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<String>,
    /// Absolute URL of the FHIR root as clients see it.
    #[arg(long, value_name = "URL")]
    pub(crate) base_url: Option<String>,
    /// Network of a proxy in front; may be given several times. Allows to listen on addresses
    /// other than loopback, and then only these peers are answered.
    #[arg(long, value_name = "CIDR")]
    pub(crate) trusted_proxy: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve FHIR over HTTP (what happens when no command is named).
    Serve(Serve),
    /// Fill a store with fictitious persons, and serve it with tokens and a page of commands.
    Demo(Demo),
    /// Load resources from files, folders and packages.
    Load(Load),
    /// Bring the database to the schema of this program, and stop.
    Migrate,
    /// Check settings and store: schema, integrity, counters.
    Check(Check),
    /// Go through the trace of accesses, which a running server may be writing: was anything
    /// changed or removed?
    Verify(Verify),
    /// Show how a search is answered, and what its first page touches.
    Explain(Explain),
    /// Tell why a resource is shown to a caller or not, where decisions about persons are made.
    Decide(Decide),
    /// Tell what callers may do, and why.
    #[command(subcommand)]
    Access(AccessCommand),
    /// Import large code systems from their publishers' files, list and remove them.
    #[command(subcommand)]
    Terminology(TerminologyCommand),
    /// Make a certificate for TLS that nobody vouches for, where there is none yet.
    Certificate(Certificate),
    /// Install, remove and list packages of definitions.
    #[command(subcommand)]
    Package(PackageCommand),
}

const DEMO_HELP: &str = "\
Two counties, a private provider, Kela and 200 persons, who are nobody; the services of services/ and
the decision about disclosure (docs/disclosure.md) are in force. Run it where profiles/ is, or name
that folder with --set packages.folders=PATH.

Everything is made anew at each start, with new keys. With --database postgres://... the database
must be empty.";

/// How to run the demo.
#[derive(Args, Debug)]
#[command(after_help = DEMO_HELP)]
pub(crate) struct Demo {
    /// Folder for the database, the tokens and the page; one that the demo did not make must be
    /// empty.
    #[arg(long, value_name = "FOLDER", default_value = "data/demo")]
    pub(crate) folder: PathBuf,
    #[command(flatten)]
    pub(crate) serve: Serve,
}

const ACCESS_HELP: &str = "\
Works on the settings, and on the database for rules and search parameters that are stored there.
Where a server has the database open, or where there is none, they are left out, which is told.
Nobody is let in by it: the signature of a token is not looked at.

Exit code: 0 allowed, whole or in part; 1 refused; 2 it could not be told.";

/// What to tell of access.
#[derive(Debug, Subcommand)]
pub(crate) enum AccessCommand {
    /// Tell whether a caller may do something, and what each scope, rule and label gave or took.
    Explain(ExplainAccess),
}

/// Who, and which resource.
#[derive(Args, Debug)]
pub(crate) struct Decide {
    /// The resource: Observation/1.
    #[arg(value_name = "TYPE/ID")]
    pub(crate) resource: String,
    #[command(flatten)]
    pub(crate) who: Who,
}

/// Who, and what.
#[derive(Args, Debug)]
#[command(after_help = ACCESS_HELP)]
pub(crate) struct ExplainAccess {
    /// Method and URL below the FHIR root: 'GET /Observation?code=x'.
    #[arg(value_name = "REQUEST")]
    pub(crate) request: String,
    #[command(flatten)]
    pub(crate) who: Who,
}

/// Who asks.
#[derive(Args, Debug)]
pub(crate) struct Who {
    /// File with the claims of a token as a JSON object; - for standard input.
    #[arg(long, value_name = "FILE", required_unless_present = "token")]
    pub(crate) caller: Option<PathBuf>,
    /// File with a token, whose claims are taken; - for standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "caller")]
    pub(crate) token: Option<PathBuf>,
}

/// The certificate to make.
#[derive(Args, Debug)]
pub(crate) struct Certificate {
    /// For certificate and key together; where it exists, nothing is done. What clients trust it
    /// by comes beside it, ending in .crt.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Host name or address of the server; may be given several times.
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    pub(crate) name: Vec<String>,
    /// How long it is valid.
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=825))]
    pub(crate) days: u32,
}

const IMPORT_HELP: &str = "\
loinc    Loinc.csv, and with it ComponentHierarchyBySystem.csv and AnswerList.csv
snomed   snapshots of RF2: concepts, descriptions, relationships, reference sets
icd10    ClaML, or a table with a header: code, display, perhaps parent and names by language
         (LongName_sv)

Folders are searched for these files. The content is not part of this program: its licence is
printed, and is yours to keep. It is stored in the database, and read when it is first asked for.";

/// What to do with large code systems.
#[derive(Debug, Subcommand)]
pub(crate) enum TerminologyCommand {
    /// Import a code system; one of the same URL and version is replaced.
    Import(Import),
    /// Show what was imported.
    List,
    /// Remove what was imported.
    Remove {
        /// As `list` shows it.
        #[arg(value_name = "URL|VERSION")]
        system: String,
    },
}

/// What to import.
#[derive(Args, Debug)]
#[command(after_help = IMPORT_HELP)]
pub(crate) struct Import {
    /// Whose files they are.
    #[arg(value_enum)]
    pub(crate) kind: ImportKind,
    /// Files and folders.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// URL of the code system, where it is another than the usual one: a national version.
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// Its version, where it is not in the files.
    #[arg(long)]
    pub(crate) version: Option<String>,
}

/// Code systems that can be imported.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum ImportKind {
    /// <https://loinc.org>
    Loinc,
    /// <https://www.snomed.org>
    Snomed,
    /// <https://icd.who.int>
    Icd10,
}

const INSTALL_HELP: &str = "\
All of the given packages are installed, or none. What they depend on has to be given too, or be
installed; hl7.fhir.r4.core is built in. Everything that is missing is told at once.

Definitions of a package count from then on: profiles, value sets, code systems and the like, found
by their canonical URLs. Several versions stand side by side. Examples are not kept: `kantele load`
loads them, and definitions too, as resources of the server.

Exit code: 0 done, 2 refused, with nothing changed.";

/// What to do with packages.
#[derive(Debug, Subcommand)]
pub(crate) enum PackageCommand {
    /// Install packages from archives (.tgz) and folders.
    Install(Install),
    /// Remove packages; refused while others need them.
    Uninstall(Uninstall),
    /// Show what is installed, and what was found wrong with it.
    List(List),
}

/// What to install.
#[derive(Args, Debug)]
#[command(after_help = INSTALL_HELP)]
pub(crate) struct Install {
    /// FHIR packages: archives, and folders that hold a package.json.
    #[arg(required = true, value_name = "PACKAGE")]
    pub(crate) packages: Vec<PathBuf>,
    /// Tell what would happen, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The name of a package that may be missing; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub(crate) without: Vec<String>,
    /// Let dependencies be met by other versions than the wished ones; the report names them.
    #[arg(long)]
    pub(crate) any_version: bool,
    /// Install in the server at this FHIR root instead of opening the database, which must not be
    /// in use then.
    #[arg(long, value_name = "URL", conflicts_with = "database")]
    pub(crate) server: Option<String>,
}

/// What to remove.
#[derive(Args, Debug)]
pub(crate) struct Uninstall {
    /// NAME for all versions, or NAME#VERSION.
    #[arg(required = true, value_name = "NAME[#VERSION]")]
    pub(crate) packages: Vec<String>,
    /// Remove them although others need them.
    #[arg(long)]
    pub(crate) force: bool,
    /// Tell what would happen, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// As for install.
    #[arg(long, value_name = "URL", conflicts_with = "database")]
    pub(crate) server: Option<String>,
}

/// How to list.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// A line for each package with the SHA-256 of what it was read from: a lock file to compare
    /// with another server's.
    #[arg(long, conflicts_with = "server")]
    pub(crate) lock: bool,
    /// As for install.
    #[arg(long, value_name = "URL", conflicts_with = "database")]
    pub(crate) server: Option<String>,
}

const LOAD_HELP: &str = "\
What becomes of a document:
  a resource with an id       is put under its id; an equal one changes nothing
  a resource without an id    gets an id made of its content, the same in every run
  a transaction or batch      is executed
  any other Bundle            is stored as one resource
  Parameters and the like     are refused, because no endpoint holds them

A load that was stopped at any moment goes on where it was: what has been loaded is remembered in
the database together with the data, so that nothing is loaded twice and no Bundle by halves.
The database must not be in use; a running server is loaded through --server.

Exit code: 0 everything accepted, 1 something refused, 2 the load could not run.";

/// What to load and how.
#[derive(Args, Debug)]
#[command(after_help = LOAD_HELP)]
pub(crate) struct Load {
    /// Folders, .json, .xml and .ndjson files, and FHIR packages (.tgz).
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Send everything to this FHIR root instead of opening a database.
    #[arg(long, value_name = "URL", conflicts_with = "database")]
    pub(crate) server: Option<String>,
    /// Write counts and faults to this file as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Put resources again that an earlier load has accepted already. Transactions and batches
    /// are never run twice.
    #[arg(long)]
    pub(crate) again: bool,
}

const VERIFY_HELP: &str = "\
The heads that are printed stand for all that was traced so far: keep the output elsewhere, and give
it to a later verification with --since, which then also tells whether the end was cut off.

Exit code: 0 whole, 2 something was changed or removed, or the trace could not be read.";

/// What to verify.
#[derive(Args, Debug)]
#[command(after_help = VERIFY_HELP)]
pub(crate) struct Verify {
    /// A public key, as printed, that sealed before trace.key_file was another one; may be given
    /// several times.
    #[arg(long, value_name = "HEX")]
    pub(crate) trusted_key: Vec<String>,
    /// The output of an earlier verification.
    #[arg(long, value_name = "FILE")]
    pub(crate) since: Option<PathBuf>,
}

/// What to explain.
#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// The search as in a URL below the FHIR root: 'Observation?code=x&_sort=-date'.
    #[arg(value_name = "SEARCH")]
    pub(crate) search: String,
    /// Ask the server at this FHIR root, which answers where its search.explain is true, instead
    /// of opening the database, which must not be in use then.
    #[arg(long, value_name = "URL", conflicts_with = "database")]
    pub(crate) server: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Check {
    /// Print all settings as a Markdown table, and stop.
    #[arg(long)]
    pub(crate) settings_table: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_is_the_default_command() {
        let cli = Cli::try_parse_from(["kantele", "--listen", "127.0.0.1:0"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.serve.listen.as_deref(), Some("127.0.0.1:0"));
        let cli = Cli::try_parse_from(["kantele", "serve", "--database", "sqlite:x"]).unwrap();
        assert!(matches!(cli.command, Some(Command::Serve(_))));
        assert_eq!(cli.shared.database.as_deref(), Some("sqlite:x"));
    }

    #[test]
    fn loading_goes_to_one_place() {
        let both = ["kantele", "load", "x", "--server", "http://h/fhir", "--database", "sqlite:x"];
        assert!(Cli::try_parse_from(both).is_err());
        assert!(Cli::try_parse_from(["kantele", "load"]).is_err());
    }
}
