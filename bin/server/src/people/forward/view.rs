//! What a person or a script sees of a tunnel.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, stderr};
use std::sync::Arc;
use std::time::Duration;

use drawbridge_plugin::client::{Connection, TunnelNews, TunnelView};
use drawbridge_session::Clock;
use drawbridge_session::document::Destination;
use drawbridge_tunnel::{Figures, Listener};
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;

/// Connections shown with a line of their own.
const LINES: usize = 20;

/// Tells of a tunnel: lines for what happens, and on a terminal a line with figures for every connection.
pub(super) struct View {
    destinations: Vec<Destination>,
    is_json: bool,
    tells_connections: bool,
    live: Option<Live>,
    clock: Arc<dyn Clock>,
}

/// The lines at the bottom of a terminal.
struct Live {
    lines: MultiProgress,
    bars: BTreeMap<String, Bar>,
    others: Option<ProgressBar>,
}

struct Bar {
    bar: ProgressBar,
    figures: Figures,
    since: Duration,
}

impl View {
    pub(super) fn new(
        destinations: Vec<Destination>,
        is_json: bool,
        tells_connections: bool,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let live = (!is_json && stderr().is_terminal()).then(|| Live {
            lines: MultiProgress::new(),
            bars: BTreeMap::new(),
            others: None,
        });
        Self {
            destinations,
            is_json,
            tells_connections,
            live,
            clock,
        }
    }

    fn destination(&self, connection: &Connection) -> String {
        let destination = self.destinations.get(connection.listener);
        destination.map(ToString::to_string).unwrap_or_default()
    }

    fn line(&self, text: &str) {
        match &self.live {
            Some(live) => live.lines.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    /// Names a connection for a person.
    fn name(&self, connection: &Connection) -> String {
        let from = match connection.from.as_str() {
            "" => "socket",
            from => from,
        };
        format!("{from} → {}", self.destination(connection))
    }

    fn tell_json(&self, news: &TunnelNews) {
        let connection = match news {
            TunnelNews::Arrived(connection)
            | TunnelNews::Refused(connection, _)
            | TunnelNews::Ended { connection, .. } => connection,
        };
        let mut line = json!({"from": connection.from, "to": self.destination(connection)});
        match news {
            TunnelNews::Arrived(_) => line["event"] = json!("connected"),
            TunnelNews::Refused(_, refusal) => {
                line["event"] = json!("refused");
                line["code"] = json!(refusal.code);
                line["reason"] = json!(refusal.to_string());
            }
            TunnelNews::Ended { figures, broken, .. } => {
                line["event"] = json!("ended");
                line["sent"] = json!(figures.read);
                line["received"] = json!(figures.written);
                line["broken"] = json!(broken);
            }
        }
        println!("{line}");
    }
}

impl TunnelView for View {
    fn opened(&mut self, session_id: &str, listeners: &[Listener]) {
        for (listener, destination) in listeners.iter().zip(&self.destinations) {
            let name = listener.name();
            if self.is_json {
                let line = json!({"event": "listening", "on": name, "to": destination.to_string(), "session": session_id});
                println!("{line}");
            } else {
                self.line(&format!("{name} → {destination}"));
            }
        }
    }

    fn happened(&mut self, news: &TunnelNews) {
        if self.is_json {
            return self.tell_json(news);
        }
        match news {
            TunnelNews::Arrived(connection) if self.tells_connections => {
                self.line(&format!("{}: connected", self.name(connection)));
            }
            TunnelNews::Refused(connection, refusal) => {
                self.line(&format!("{}: refused: {refusal}", self.name(connection)));
            }
            TunnelNews::Ended {
                connection,
                figures,
                broken,
            } if self.tells_connections || broken.is_some() => {
                let how = broken.as_ref().map(|why| format!("broken: {why}, "));
                let carried = carried(*figures);
                self.line(&format!(
                    "{}: {}{carried}",
                    self.name(connection),
                    how.unwrap_or_default()
                ));
            }
            TunnelNews::Arrived(_) | TunnelNews::Ended { .. } => {}
        }
    }

    fn figures(&mut self, connections: &mut dyn Iterator<Item = (&Connection, Figures)>) {
        let all: Vec<(String, Figures)> = connections
            .map(|(connection, figures)| (self.name(connection), figures))
            .collect();
        if let Some(live) = &mut self.live {
            live.show(&all, self.clock.monotonic());
        }
    }
}

impl Live {
    fn show(&mut self, all: &[(String, Figures)], now: Duration) {
        let shown = &all[..all.len().min(LINES)];
        self.bars.retain(|name, line| {
            let stays = shown.iter().any(|(shown, _)| shown == name);
            if !stays {
                line.bar.finish_and_clear();
            }
            stays
        });
        for (name, figures) in shown {
            let lines = &self.lines;
            let line = self.bars.entry(name.clone()).or_insert_with(|| Bar {
                bar: lines.add(bar()),
                figures: Figures::default(),
                since: now,
            });
            line.show(name, *figures, now);
        }
        match (all.len().saturating_sub(LINES), &self.others) {
            (0, Some(others)) => {
                others.finish_and_clear();
                self.others = None;
            }
            (0, None) => {}
            (more, _) => {
                let others = self.others.get_or_insert_with(|| self.lines.add(bar()));
                others.set_message(format!("and {more} more"));
            }
        }
    }
}

/// Connections that are gone are no longer shown.
impl Drop for Live {
    fn drop(&mut self) {
        for line in self.bars.values() {
            line.bar.finish_and_clear();
        }
        if let Some(others) = &self.others {
            others.finish_and_clear();
        }
    }
}

impl Bar {
    fn show(&mut self, name: &str, figures: Figures, now: Duration) {
        let seconds = now.saturating_sub(self.since).as_secs_f64();
        let moved = (figures.read + figures.written).saturating_sub(self.figures.read + self.figures.written);
        // Of too short a time nothing can be said.
        let rate = if seconds < 0.1 {
            0.0
        } else {
            moved as f64 / seconds
        };
        (self.figures, self.since) = (figures, now);
        let rate = HumanBytes(rate as u64);
        self.bar
            .set_message(format!("{name}  {}  {rate}/s", carried(figures)));
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("  {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new_spinner().with_style(style)
}

fn carried(figures: Figures) -> String {
    format!("↑ {} ↓ {}", HumanBytes(figures.read), HumanBytes(figures.written))
}
