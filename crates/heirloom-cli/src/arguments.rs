//! The grammar of the command line.
//!
//! Fixed commands are declared here; the categories' commands are made from
//! the registry, so that a new category needs no line here.

mod records;
mod waits;

pub(crate) use records::{RecordCall, RecordVerb};
pub(crate) use waits::{Seconds, WaitArguments};

use crate::exit;
use clap::{
    ArgAction, ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand,
    ValueEnum,
};
use std::ffi::OsString;
use std::path::PathBuf;

/// Words of an invite; its link is one.
const INVITE_WORDS: usize = 6;

/// Keep a household's contacts, notes, calendar and settings on all its devices
// The pages of the manual leave out `help`, which would name every command again.
#[derive(Debug, Parser)]
#[command(name = "heirloom", version, max_term_width = 100, after_help = exit::TABLE)]
#[command(disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
}

impl Arguments {
    /// Reads a command line, of which the first word is the program's name.
    pub(crate) fn read<T: Into<OsString> + Clone>(
        words: impl IntoIterator<Item = T>,
    ) -> Result<Self, clap::Error> {
        let mut command = records::with_all(Self::command()).disable_help_subcommand(false);
        let matches = command.try_get_matches_from_mut(words)?;
        Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    }
}

/// What every command takes, before or after its verb.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Work on this data folder [else $HEIRLOOM_HOME, else the platform's]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Print JSON: one object, or one a line for lists and streams
    #[arg(long, global = true, overrides_with = "json")]
    pub(crate) json: bool,
    /// Log more to stderr (can be repeated)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Verb {
    /// A fixed command.
    Fixed(Fixed),
    /// A command on the records of one category.
    Records(RecordCall),
}

impl FromArgMatches for Verb {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        match RecordCall::from_subcommand(matches)? {
            Some(call) => Ok(Self::Records(call)),
            None => Fixed::from_arg_matches(matches).map(Self::Fixed),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Subcommand for Verb {
    fn augment_subcommands(command: Command) -> Command {
        Fixed::augment_subcommands(command).subcommands(records::commands())
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        Fixed::has_subcommand(name) || heirloom_schema::by_id(name).is_some()
    }
}

/// The commands that do not depend on the registry.
#[derive(Debug, Subcommand)]
pub(crate) enum Fixed {
    /// Make an account and its first device, and show the recovery phrase
    Init(InitArguments),
    /// Run this device's node in the foreground
    Up(UpArguments),
    /// Open an invite for another device on the running node
    Invite(InviteArguments),
    /// Join an account by an invite's link or six words, and sync once
    Join(JoinArguments),
    /// Restore the account on this new device with the recovery phrase
    Recover(RecoverArguments),
    /// List, rename and take out the account's devices
    #[command(subcommand)]
    Devices(DevicesVerb),
    /// List what was kept aside because it must not count
    #[command(subcommand)]
    Quarantine(QuarantineVerb),
    /// Use the recovery phrase on a device that is in the account
    #[command(subcommand)]
    Recovery(RecoveryVerb),
    /// Wait until every reachable device is level with this one
    Sync(SyncArguments),
    /// Show one screen about the account
    Status(StatusArguments),
    /// Print a hash over every live record, equal on level devices
    Digest,
    /// Print what happens in the running node
    Watch,
    /// Import files and folders of cards, calendars, notes and settings
    Import(ImportArguments),
    /// Write every record to a folder as open files
    Export(ExportArguments),
    /// Try it out: three nodes on this machine, with sample records
    Demo(DemoArguments),
    /// Print the completions for a shell
    Completions(CompletionsArguments),
    /// Print the manual page, or write one page for each command
    Man(ManArguments),
}

#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// Name this device
    #[arg(long, value_name = "NAME")]
    pub(crate) device: Option<String>,
    /// Do not ask for two words of the phrase
    #[arg(long)]
    pub(crate) no_verify: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UpArguments {
    /// Name this device, where it is made now
    #[arg(long, value_name = "NAME")]
    pub(crate) device: Option<String>,
    /// Make this device a keeper: always on, holding everything
    #[arg(long)]
    pub(crate) keeper: bool,
    /// Make this keeper a blind one, which holds no content keys
    #[arg(long, requires = "keeper")]
    pub(crate) blind: bool,
    /// Join an account first, by an invite's link or six words
    #[arg(long, value_name = "CODE", action = ArgAction::Set, num_args = 1..=INVITE_WORDS)]
    pub(crate) join: Option<Vec<String>>,
    /// Listen on this address (can be repeated)
    #[arg(long, value_name = "MULTIADDR")]
    pub(crate) listen: Vec<String>,
    #[command(flatten)]
    pub(crate) reach: ReachArguments,
    /// Answer yes to every question
    #[arg(long)]
    pub(crate) yes: bool,
    /// Write the log like this: text or json to stderr, or to the journal
    #[arg(long, value_enum, value_name = "FORM", default_value_t = LogForm::Text)]
    pub(crate) log: LogForm,
}

/// Where the log goes, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    /// Lines for people, to stderr
    Text,
    /// Lines of JSON, to stderr
    Json,
    /// The system's journal, with every field by itself
    Journald,
}

/// How other devices are found.
#[derive(Debug, Args)]
pub(crate) struct ReachArguments {
    /// Dial this address too (can be repeated)
    #[arg(long = "peer", value_name = "MULTIADDR")]
    pub(crate) peers: Vec<String>,
    /// Do not look for devices on the local network
    #[arg(long)]
    pub(crate) no_mdns: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InviteArguments {
    /// What the new device will be
    #[arg(long, value_enum, default_value_t = InviteRole::Member)]
    pub(crate) role: InviteRole,
    /// End the invite after this many seconds [default: 300]
    #[arg(long, value_name = "S", value_parser = waits::some_time)]
    pub(crate) ttl: Option<Seconds>,
}

/// What an invited device may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InviteRole {
    /// Reads, writes and administers
    Member,
    /// Always on, holds everything
    Keeper,
    /// Stores without being able to read
    BlindKeeper,
}

impl InviteRole {
    /// Returns the role as the node knows it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Keeper => "keeper",
            Self::BlindKeeper => "blind-keeper",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct JoinArguments {
    /// The invite's link or its six words
    #[arg(value_name = "CODE", required = true, num_args = 1..)]
    pub(crate) code: Vec<String>,
    /// Name this device
    #[arg(long, value_name = "NAME")]
    pub(crate) device: Option<String>,
    #[command(flatten)]
    pub(crate) reach: ReachArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RecoverArguments {
    /// Read the phrase from this file [else from stdin]
    #[arg(long, value_name = "F")]
    pub(crate) phrase_file: Option<PathBuf>,
    /// Name this device
    #[arg(long, value_name = "NAME")]
    pub(crate) device: Option<String>,
    #[command(flatten)]
    pub(crate) reach: ReachArguments,
}

/// What is done with devices.
#[derive(Debug, Subcommand)]
pub(crate) enum DevicesVerb {
    /// List the devices
    List,
    /// Give a device another name
    Rename {
        /// The device: a prefix of its id, or its name
        device: String,
        /// The new name
        name: String,
    },
    /// Take a lost or sold device out of the account, everywhere
    Revoke {
        /// The device: a prefix of its id, or its name
        device: String,
        /// Do not ask first
        #[arg(long)]
        yes: bool,
    },
}

/// What is done with the recovery phrase.
#[derive(Debug, Subcommand)]
pub(crate) enum RecoveryVerb {
    /// State anew who is in the account, and make this device an admin
    Reset(ResetArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ResetArguments {
    /// Read the phrase from this file [else from stdin]
    #[arg(long, value_name = "F")]
    pub(crate) phrase_file: Option<PathBuf>,
    /// Bring this device back, which was taken out (can be repeated)
    #[arg(long, value_name = "DEVICE")]
    pub(crate) keep: Vec<String>,
}

/// What is done with what was kept aside.
#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineVerb {
    /// List it with its author, record, time and reason
    List,
    /// Let what a device wrote after it was taken out count after all
    Accept {
        /// The device: a prefix of its id, or its name
        device: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SyncArguments {
    /// Wait at most this many seconds
    #[arg(long, value_name = "S", default_value = "10")]
    pub(crate) timeout: Seconds,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// Show it again whenever it changes, until interrupted
    #[arg(long)]
    pub(crate) watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// Files and folders; folders are walked
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Take everything as this category [else found by content]
    #[arg(long, value_name = "C", value_parser = records::category_names())]
    pub(crate) category: Option<String>,
    /// Only report what would happen
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// The folder to write to; made where it does not exist
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Only these categories, separated by commas
    #[arg(long, value_name = "C,C", value_delimiter = ',')]
    #[arg(value_parser = records::category_names())]
    pub(crate) only: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Keep the folders of the demo here
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// Write the pages to this folder; made where it does not exist
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[cfg(test)]
mod tests;
