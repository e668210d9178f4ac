//! The text of a conversation: see "Conversations" in `fuzz/README.md`.

/// The maximum size of the input, and of everything that a server sends: enough for a flood of
/// heads.
const MAX_INPUT: usize = 64 << 10;
const MAX_SENT: usize = 1 << 20;
/// The maximum number of events in one conversation.
const MAX_EVENTS: usize = 4096;
/// The maximum number of repetitions.
const MAX_REPEATS: usize = 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Reads the head and the whole body of the next request.
    Request,
    /// Reads only the head of the next request.
    Head,
    /// Reads this many further bytes of the body.
    Body(u64),
    /// Sends these bytes in one write.
    Send(Vec<u8>),
    /// Sends nothing for a moment, so that the client receives the earlier bytes on their own.
    Pause,
    /// Sends nothing until the client gives up the connection.
    Hang,
    /// Shuts down the server's sending side and keeps reading.
    Finish,
    /// Closes the connection, which resets it if bytes from the client are still unread.
    Close,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) operation: String,
    pub(super) events: Vec<Event>,
}

impl Script {
    /// Parses a conversation. Every input is valid: a line that is not an event is a comment.
    pub(super) fn parse(data: &[u8]) -> Self {
        let mut lines = data.get(..MAX_INPUT).unwrap_or(data).split(|byte| *byte == b'\n');
        let operation = String::from_utf8_lossy(lines.next().unwrap_or_default()).trim().to_owned();
        let mut script = Self { operation, events: Vec::new() };
        let lines: Vec<_> = lines.collect();
        let (mut at, mut sent) = (0, 0);
        while let Some(line) = lines.get(at) {
            at += 1;
            match repeat(line) {
                Some((times, count)) => {
                    let block = lines.get(at..at + count.min(lines.len() - at)).unwrap_or_default();
                    (0..times).flat_map(|_| block).for_each(|line| script.take(line, &mut sent));
                    at += block.len();
                }
                None => script.take(line, &mut sent),
            }
        }
        script
    }

    fn take(&mut self, line: &[u8], sent: &mut usize) {
        let event = match line {
            [b'>', rest @ ..] => {
                Event::Send([rest.strip_prefix(b" ").unwrap_or(rest), b"\r\n"].concat())
            }
            [b'+', rest @ ..] => {
                Event::Send([rest.strip_prefix(b" ").unwrap_or(rest), b"\n"].concat())
            }
            [b'|', rest @ ..] => Event::Send(rest.strip_prefix(b" ").unwrap_or(rest).to_vec()),
            b"read" => Event::Request,
            b"head" => Event::Head,
            b"pause" => Event::Pause,
            b"hang" => Event::Hang,
            b"finish" => Event::Finish,
            b"close" => Event::Close,
            [b'b', b'o', b'd', b'y', b' ', rest @ ..] => Event::Body(number(rest).unwrap_or(1)),
            _ => return,
        };
        if let Event::Send(bytes) = &event {
            *sent += bytes.len();
            if *sent > MAX_SENT {
                return;
            }
            if let Some(Event::Send(before)) = self.events.last_mut() {
                before.extend_from_slice(bytes);
                return;
            }
        }
        if self.events.len() < MAX_EVENTS {
            self.events.push(event);
        }
    }
}

/// Parses `repeat TIMES LINES`, which repeats the next lines.
fn repeat(line: &[u8]) -> Option<(usize, usize)> {
    let (times, lines) =
        std::str::from_utf8(line.strip_prefix(b"repeat ")?).ok()?.split_once(' ')?;
    Some((
        times.parse::<usize>().ok()?.min(MAX_REPEATS),
        lines.trim().parse::<usize>().ok()?.min(MAX_EVENTS),
    ))
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_an_event_or_a_comment() {
        let text = "put\nread\n> a\n+ b\n| c\n>\nhead\nbody 7\n# a comment\npause\nhang\nfinish\nclose\nrepeat 2 2\n|x\nread";
        let script = Script::parse(text.as_bytes());
        let send = |text: &str| Event::Send(text.into());
        assert_eq!(script.operation, "put");
        let events = [
            Event::Request,
            send("a\r\nb\nc\r\n"),
            Event::Head,
            Event::Body(7),
            Event::Pause,
            Event::Hang,
            Event::Finish,
            Event::Close,
            send("x"),
            Event::Request,
            send("x"),
            Event::Request,
        ];
        assert_eq!(script.events, events);
    }

    #[test]
    fn conversations_are_bounded() {
        let events = Script::parse(
            b"put\nrepeat 1000 9\nread\nread\nread\nread\nread\nread\nread\nread\nread",
        )
        .events;
        assert_eq!(events.len(), MAX_EVENTS);
        let text = format!("put\nrepeat 999999 1\n| {}", "x".repeat(8000));
        let sent: usize = Script::parse(text.as_bytes()).events.iter().map(sent_by).sum();
        assert!((MAX_SENT - 8000..=MAX_SENT).contains(&sent), "{sent}");
    }

    fn sent_by(event: &Event) -> usize {
        if let Event::Send(bytes) = event { bytes.len() } else { 0 }
    }
}
