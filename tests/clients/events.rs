//! What clients tell their scripts: every run of a hook leaves its environment in a file.

use std::collections::BTreeMap;

use crate::house::{Client, Guest};

/// One run of a hook: the variables that it was given.
pub(crate) type Event = BTreeMap<String, String>;

/// A hook for dhclient and dhcpcd: the files appear whole and in order.
const HOOK: &str = "n=$(ls /run/events | wc -l)
env > \"/run/event-$$\"
mv \"/run/event-$$\" \"/run/events/$(printf %04d \"$n\")\"
";

impl Guest {
    /// Sets the hook at a path of the guest.
    pub(crate) fn record_events(&self, hook: &str) {
        self.write(hook, HOOK);
    }

    /// All runs of the hook with this `reason`, in order.
    pub(crate) fn events(&self, reason: &str) -> Vec<Event> {
        self.events_where("reason", reason)
    }

    /// All runs of the hook with this value of a variable, in order.
    pub(crate) fn events_where(&self, name: &str, value: &str) -> Vec<Event> {
        let files = self.path("run/events").read_dir().expect("the events");
        let mut names: Vec<_> = files.map(|file| file.expect("an event").file_name()).collect();
        names.sort();
        let read =
            |name: &std::ffi::OsString| parse(&self.read(&format!("run/events/{}", name.to_string_lossy())));
        names.iter().map(read).filter(|event| event.get(name).is_some_and(|is| is == value)).collect()
    }

    /// Waits for so many runs with this `reason`.
    pub(crate) fn wait_for_events(&self, client: &Client, reason: &str, count: usize) -> Vec<Event> {
        client.wait_until(&format!("{count} times {reason}"), || self.events(reason).len() >= count);
        self.events(reason)
    }
}

fn parse(text: &str) -> Event {
    text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

/// A variable of an event; empty when it is not set.
pub(crate) fn variable<'e>(event: &'e Event, name: &str) -> &'e str {
    event.get(name).map_or("", String::as_str)
}

/// The values of a variable in several events, where it is set, in order.
pub(crate) fn variables<'e>(events: &'e [Event], name: &str) -> Vec<&'e str> {
    events.iter().filter_map(|event| event.get(name)).map(String::as_str).collect()
}

/// Asserts that a resolv.conf has exactly the network's servers and search list, whether names end in a dot or not.
pub(crate) fn assert_resolver(guest: &Guest) {
    let text = guest.read("etc/resolv.conf");
    let words = |key: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(key));
        lines.flat_map(str::split_whitespace).map(|word| word.trim_end_matches('.').to_owned()).collect()
    };
    assert_eq!(words("nameserver "), guest.port.network.dns, "{text}");
    assert_eq!(words("search "), guest.port.network.domains, "{text}");
}
