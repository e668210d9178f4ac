//! Measures the cost of the work as counted by Linux.
use super::route::Outcome;
use std::time::Instant;

/// `USER_HZ`, the unit of times in `/proc`, which is the same on all architectures of Linux except
/// Alpha.
const TICKS_PER_SECOND: f64 = 100.0;

pub(crate) struct Meter {
    started: Instant,
    before: (f64, f64),
}

impl Meter {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), before: processor_time().unwrap_or_default() }
    }

    /// Returns the closing line. The processor time has a resolution of 10 ms. For short work,
    /// measure the whole process instead.
    pub(crate) fn line(&self, operations: u64, bytes: u64) -> Outcome<String> {
        let wall = self.started.elapsed().as_secs_f64();
        let (user, system) = processor_time()?;
        let (user, system) = (user - self.before.0, system - self.before.1);
        let memory = peak_memory()?;
        Ok(format!(
            r#"{{"ops": {operations}, "rss_kib": {memory}, "bytes": {bytes}, "wall": {wall:.4}, "user": {user:.4}, "sys": {system:.4}}}"#
        ))
    }
}

/// Returns the seconds in user mode and in the kernel (proc(5), `/proc/pid/stat`, fields 14 and
/// 15).
fn processor_time() -> Outcome<(f64, f64)> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The second field is the program's name in parentheses, which may contain anything.
    let (_, fields) = stat.rsplit_once(')').ok_or("/proc/self/stat has no name")?;
    let mut fields = fields.split_whitespace().skip(11).map(str::parse::<f64>);
    match (fields.next(), fields.next()) {
        (Some(user), Some(system)) => Ok((user? / TICKS_PER_SECOND, system? / TICKS_PER_SECOND)),
        _ => Err("/proc/self/stat is too short".into()),
    }
}

/// Returns the peak of the resident memory so far, in KiB.
fn peak_memory() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .ok_or("no VmHWM in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
