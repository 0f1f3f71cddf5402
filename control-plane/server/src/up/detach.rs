//! `tollway up --detach`: the same command again, in a session of its own.

use std::{
    env,
    io::{self, Read, Write},
    process::{Command, Stdio},
};

use super::{UpError, progress::END_OF_TEXT};

/// What the one in the background is told. It is no option for people.
const DETACHED_FLAG: &str = "--detached";

/// Starts it, passes on what it says until it runs, and leaves it alone then. `false` when it ended before;
/// it has said why.
pub(super) async fn run() -> Result<bool, UpError> {
    tokio::task::spawn_blocking(run_blocking)
        .await
        .map_err(|error| UpError::Detach(io::Error::other(error)))?
}

fn run_blocking() -> Result<bool, UpError> {
    let program = env::current_exe().map_err(UpError::Detach)?;
    let mut child = Command::new(program)
        .args(env::args_os().skip(1).filter(|argument| argument != "--detach"))
        .arg(DETACHED_FLAG)
        .stdin(Stdio::null())
        // Pipes, not our own: whoever waits for our output to end must not wait for it.
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(UpError::Detach)?;
    let mut output = child.stdout.take().expect("it was asked for");
    let mut errors = child.stderr.take().expect("it was asked for");
    if pass_on(&mut output, &mut io::stdout().lock()).map_err(UpError::Detach)? {
        return Ok(true);
    }
    // It ended, so its errors do too; a reader of ours that has gone away changes nothing.
    let _ = io::copy(&mut errors, &mut io::stderr().lock());
    child.wait().map_err(UpError::Detach)?;
    Ok(false)
}

/// Copies until the end of the text; `false` when the source ends before.
fn pass_on(from: &mut impl Read, to: &mut impl Write) -> io::Result<bool> {
    let mut buffer = [0; 4096];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok(false);
        }
        let text = &buffer[..read];
        let end = text.iter().position(|&byte| byte == END_OF_TEXT);
        let _ = to
            .write_all(&text[..end.unwrap_or(read)])
            .and_then(|()| to.flush());
        if end.is_some() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_passed_on_to_its_end_mark_alone() {
        let mut out = Vec::new();
        assert!(pass_on(&mut b"ready\n\x03later".as_slice(), &mut out).unwrap());
        assert_eq!(out, b"ready\n");
        assert!(!pass_on(&mut b"failed\n".as_slice(), &mut out).unwrap());
        assert_eq!(out, b"ready\nfailed\n");
    }
}
