//! The node in the foreground, and its events: `up` and `watch`.

use crate::access::Access;
use crate::arguments::{Fixed, LogForm, UpArguments, Verb};
use crate::exit::{self, Exit, Trouble};
use crate::founding;
use crate::records::short;
use crate::recovery::RESET;
use crate::screen::{self, Form, Screen};
use heirloom_base::count;
use heirloom_core::command::{Event, Failure};
use heirloom_node::{Ready, UpEvent, UpOptions};
use serde_json::json;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::prelude::*;

/// Events that wait for a slow terminal before the node waits too.
const EVENTS_WAITING_MAX: usize = 256;
/// Records that the line of an event names.
const IDS_SHOWN_MAX: usize = 5;

/// Begins the log, as `HEIRLOOM_LOG` or the number of `-v` says.
///
/// # Errors
/// Where there is no journal.
pub(crate) fn log(verbose: u8, form: LogForm) -> Result<(), Failure> {
    heirloom_core::silence_caught_panics();
    let filter = filter(std::env::var_os("HEIRLOOM_LOG"), log_directives(verbose));
    let printed = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    match form {
        LogForm::Text => registry.with(printed).init(),
        LogForm::Json => registry.with(printed.json().flatten_event(true)).init(),
        LogForm::Journald => {
            let journal = tracing_journald::layer().map_err(|error| {
                let text = format!("there is no journal to write to: {error}");
                exit::failure(Exit::Failed, "no-journal", text, "Log to stderr with `--log text`")
            })?;
            // The journal shows nothing of an entry without words; libraries make some.
            let has_words =
                filter_fn(|event| event.is_span() || event.fields().field("message").is_some());
            registry.with(journal.with_filter(has_words)).init();
        }
    }
    Ok(())
}

/// Returns what is logged; where the wish cannot be read it says so, and goes on
/// without it.
fn filter(wish: Option<OsString>, usual: &str) -> EnvFilter {
    let Some(wish) = wish.filter(|wish| !wish.is_empty()) else { return EnvFilter::new(usual) };
    let read = wish.to_str().and_then(|wish| EnvFilter::try_new(wish).ok());
    read.unwrap_or_else(|| {
        let shown = screen::quoted(&wish.to_string_lossy());
        screen::remark(format_args!("HEIRLOOM_LOG is passed over: {shown} is not a filter."));
        EnvFilter::new(usual)
    })
}

/// Returns the form of the log that a command line asks for.
pub(crate) fn log_form(verb: Option<&Verb>) -> LogForm {
    match verb {
        Some(Verb::Fixed(Fixed::Up(arguments))) => arguments.log,
        Some(Verb::Fixed(_) | Verb::Records(_)) | None => LogForm::Text,
    }
}

/// What concerns a user the node says itself, in its own words: libraries call
/// it an error that a member sent a bad change or that a VPN blocks multicast.
/// A multiplexer warns of every connection that is cut on purpose.
fn log_directives(verbose: u8) -> &'static str {
    match verbose {
        0 => "heirloom=warn",
        1 => "warn,yamux=error,automerge=off,libp2p_mdns=off,heirloom=info",
        2 => "info,heirloom=debug",
        _ => "debug,heirloom=trace",
    }
}

/// Carries out `up`.
pub(crate) async fn up(
    arguments: UpArguments,
    home: &Path,
    screen: &mut Screen,
) -> Result<(), Trouble> {
    if !heirloom_node::has_account(home) && arguments.join.is_none() {
        prepare(&arguments, home, screen)?;
    }
    let options = UpOptions {
        home: home.to_owned(),
        device: arguments.device,
        keeper: arguments.keeper,
        blind: arguments.blind,
        join: arguments.join.map(|words| words.join(" ")),
        listen: arguments.listen,
        peers: arguments.reach.peers,
        mdns: !arguments.reach.no_mdns,
    };
    let (sender, mut events) = mpsc::channel(EVENTS_WAITING_MAX);
    let mut node = std::pin::pin!(heirloom_node::up(options, sender));
    // A node goes on when nobody reads its output any more.
    let mut read = true;
    let result = loop {
        tokio::select! {
            result = &mut node => break result,
            Some(event) = events.recv() => read = read && print_up(&event, screen).is_ok(),
        }
    };
    while let Ok(event) = events.try_recv() {
        read = read && print_up(&event, screen).is_ok();
    }
    result.map_err(Trouble::from)
}

/// Makes the account first on a terminal; elsewhere says what is missing.
fn prepare(arguments: &UpArguments, home: &Path, screen: &mut Screen) -> Result<(), Trouble> {
    if arguments.blind {
        return Err(blind_without_account().into());
    }
    if arguments.yes {
        return Ok(());
    }
    if !screen.can_ask() {
        return Err(founding::may_not_ask(home).into());
    }
    founding::found(arguments.device.as_deref(), home, screen)
}

fn blind_without_account() -> Failure {
    exit::failure(
        Exit::Usage,
        "blind-without-account",
        "a blind keeper holds no keys, so it cannot make an account",
        "Give it an invite: `heirloom invite --role blind-keeper` on a member, then \
         `heirloom up --keeper --blind --join CODE` here",
    )
}

fn print_up(event: &UpEvent, screen: &mut Screen) -> Result<(), Trouble> {
    match event {
        UpEvent::Ready(ready) => print_ready(ready, screen),
        UpEvent::Node(event) => print_event(event, screen),
    }
}

fn print_ready<W: Write>(ready: &Ready, screen: &mut Screen<W>) -> Result<(), Trouble> {
    let mut line = json!({
        "event": "ready",
        "account_id": ready.account_id,
        "device_id": ready.device_id,
        "peer_id": ready.peer_id,
        "addresses": ready.addresses,
    });
    if let Some(phrase) = &ready.phrase {
        line["phrase"] = json!(phrase);
        if screen.form() == Form::Human {
            founding::show_phrase(phrase, screen)?;
        }
    }
    screen.json(&line)?;
    let (account, device) = (short(&ready.account_id), short(&ready.device_id));
    screen.line(format_args!("The node of device {device} in account {account} is up."))?;
    for address in &ready.addresses {
        screen.line(format_args!("  {address}"))?;
    }
    screen.line("End it with Ctrl-C. In another terminal:")?;
    screen.next(match (ready.is_out, ready.may_invite) {
        (true, _) => RESET,
        (false, true) => "invite",
        (false, false) => "status",
    })
}

fn print_event(event: &Event, screen: &mut Screen) -> Result<(), Trouble> {
    screen.json(event)?;
    match sentence(event) {
        Some(text) => screen.line(text),
        None => Ok(()),
    }
}

/// Returns an event in words; `None` for what only programs want to know.
fn sentence(event: &Event) -> Option<String> {
    match event {
        Event::RecordsChanged { category, ids, by, by_name, at } => {
            let by = by.as_deref().map(|by| format!(" by {}", called(by_name, by)));
            let at = at.as_deref().map(|at| format!(" at {at}")).unwrap_or_default();
            let (count, by, ids) = (ids.len(), by.unwrap_or_default(), some_of(ids));
            Some(format!("{category}: {count} changed{by}{at}: {ids}"))
        }
        Event::PeerUp { device_id, device } => {
            Some(format!("{} is connected", called(device, device_id)))
        }
        Event::PeerDown { device_id, device } => {
            Some(format!("{} is gone", called(device, device_id)))
        }
        Event::Progress { device_id, device, receiving, sending } if receiving + sending > 0 => {
            let device = called(device, device_id);
            let receiving = count::of(*receiving, "entry", "entries");
            Some(format!("{device}: {receiving} to receive, {sending} to send"))
        }
        Event::Progress { .. } => None,
        Event::DeviceJoined { device_id, device } => {
            Some(format!("{} joined", called(device, device_id)))
        }
        Event::Warning { text, .. } => Some(format!("Warning: {text}")),
    }
}

/// Returns the first of some ids, and how many there are besides.
fn some_of(ids: &[String]) -> String {
    let first: Vec<&str> = ids.iter().take(IDS_SHOWN_MAX).map(|id| short(id)).collect();
    match ids.len().saturating_sub(IDS_SHOWN_MAX) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// Returns what a device is called, or the beginning of its id where that is not known.
fn called<'a>(name: &'a str, device_id: &'a str) -> &'a str {
    if name.is_empty() { short(device_id) } else { name }
}

/// Carries out `watch`.
pub(crate) async fn watch(home: &Path, screen: &mut Screen) -> Result<(), Trouble> {
    let deaf = |error| exit::system("cannot hear signals", &error);
    let mut terminate = signal(SignalKind::terminate()).map_err(deaf)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(deaf)?;
    let client = Access::running(home, Exit::Failed).await?;
    let mut events = client.watch().await.map_err(Failure::from)?;
    screen::remark("Watching; end it with Ctrl-C");
    loop {
        let event = tokio::select! {
            event = events.next() => event.map_err(Failure::from)?,
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        };
        let Some(event) = event else { break };
        print_event(&event, screen)?;
    }
    screen::remark("The node has stopped; start it again with `heirloom up`");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_leaves_the_usual_one() {
        let of = |wish: &str| filter(Some(wish.into()), "heirloom=warn").to_string();
        assert_eq!(of("heirloom=debug"), "heirloom=debug");
        for wish in ["heirloom=loud", "=,=", ""] {
            assert_eq!(of(wish), "heirloom=warn", "{wish:?}");
        }
    }

    #[test]
    fn more_v_means_more_log_and_all_directives_are_valid() {
        for verbose in 0..5 {
            assert!(EnvFilter::try_new(log_directives(verbose)).is_ok());
        }
        assert_ne!(log_directives(0), log_directives(1));
    }

    /// A place to print to that can be looked at.
    #[derive(Clone, Default)]
    struct Printed(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

    impl std::io::Write for Printed {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_libraries_call_an_error_is_not_printed_unless_asked_for() {
        let printed = |verbose: u8| {
            let place = Printed::default();
            let copy = place.clone();
            let layer = tracing_subscriber::fmt::layer().with_writer(move || copy.clone());
            let filter = EnvFilter::new(log_directives(verbose));
            let registry = tracing_subscriber::registry().with(filter).with(layer);
            tracing::subscriber::with_default(registry, || {
                tracing::error!(target: "automerge::storage", "mismatching heads");
                tracing::error!(target: "libp2p_mdns::behaviour::iface", "not permitted");
                tracing::warn!(target: "heirloom_core::node", "kept aside");
            });
            String::from_utf8(place.0.lock().unwrap().clone()).unwrap()
        };
        for verbose in [0, 1] {
            let text = printed(verbose);
            assert!(text.contains("kept aside") && text.lines().count() == 1, "{text}");
        }
        assert_eq!(printed(2).lines().count(), 3);
    }

    #[test]
    fn a_node_that_is_up_names_the_command_that_its_device_may_give_next() {
        let next = |may_invite, is_out| {
            let ready = Ready {
                account_id: "ab".repeat(32),
                device_id: "cd".repeat(32),
                peer_id: "x".to_owned(),
                addresses: vec!["/ip4/127.0.0.1/tcp/1".to_owned()],
                phrase: None,
                may_invite,
                is_out,
            };
            let mut screen = Screen::kept(Form::Human);
            print_ready(&ready, &mut screen).unwrap();
            screen.printed().lines().last().map(str::to_owned).unwrap()
        };
        assert_eq!(next(true, false), "Next: heirloom invite");
        assert_eq!(next(false, false), "Next: heirloom status", "a keeper invites nobody");
        assert_eq!(next(false, true), "Next: heirloom recovery reset");
    }

    #[test]
    fn a_change_is_told_with_its_records_its_author_and_its_time() {
        let changed = |count: usize, by: Option<&str>, name: &str| Event::RecordsChanged {
            category: "contacts".to_owned(),
            ids: (1..=count).map(|id| format!("{id:x}").repeat(32)).collect(),
            by: by.map(str::to_owned),
            by_name: name.to_owned(),
            at: by.map(|_| "2026-01-02T03:04:05Z".to_owned()),
        };
        let text = |event| sentence(&event).unwrap();
        assert_eq!(
            text(changed(1, Some("abababababab"), "desk")),
            "contacts: 1 changed by desk at 2026-01-02T03:04:05Z: 11111111"
        );
        assert!(text(changed(1, Some("abababababab"), "")).contains(" by abababab at "));
        assert_eq!(text(changed(2, None, "")), "contacts: 2 changed: 11111111, 22222222");
        let long = text(changed(14, None, ""));
        assert!(long.ends_with("44444444, 55555555 and 9 more"), "{long}");
    }

    #[test]
    fn a_finished_progress_is_no_line() {
        let progress = |receiving| Event::Progress {
            device_id: "d".into(),
            device: "desk".into(),
            receiving,
            sending: 0,
        };
        assert_eq!(sentence(&progress(0)), None);
        assert!(sentence(&progress(2)).unwrap().starts_with("desk: 2 entries to receive"));
        assert_eq!(sentence(&progress(1)).unwrap(), "desk: 1 entry to receive, 0 to send");
    }

    #[test]
    fn a_device_is_called_by_its_name_and_by_its_id_where_it_has_none() {
        let device_id = "abababababab".to_owned();
        let named = |device: &str| Event::PeerUp {
            device_id: device_id.clone(),
            device: device.to_owned(),
        };
        assert_eq!(sentence(&named("desk")).unwrap(), "desk is connected");
        assert_eq!(sentence(&named("")).unwrap(), "abababab is connected");
    }
}
