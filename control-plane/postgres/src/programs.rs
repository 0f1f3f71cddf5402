//! Where `initdb` and `postgres` are.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Chooses the folder with the programs, before anything else is looked at.
const FOLDER_VARIABLE: &str = "TOLLWAY_POSTGRES_BIN";

/// The oldest release that we run on.
const MAJOR_MIN: u32 = 15;

/// The programs of one Postgres release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    folder: PathBuf,
    major: u32,
}

/// There are no programs that would do. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ProgramsError {
    /// None at all.
    #[error(
        "no Postgres is installed: {}, or set DATABASE_URL to a database of yours",
        install_advice()
    )]
    Missing,
    /// Only ones that are too old.
    #[error(
        "the newest Postgres here is {found} ({}); Tollway needs {MAJOR_MIN} or newer: install it, or set \
         DATABASE_URL to a database of yours",
        folder.display()
    )]
    TooOld {
        /// The newest one.
        found: u32,
        /// Where it is.
        folder: PathBuf,
    },
    /// Other ones than the data were made with.
    #[error(
        "the data were made by Postgres {made_by}, and only {found} is installed: install postgresql-{made_by} beside \
         it; to move to {found}, run pg_upgrade (or pg_dump and restore) on the data folder first"
    )]
    OtherMajor {
        /// The release that made the data.
        made_by: u32,
        /// The newest one here.
        found: u32,
    },
}

impl Programs {
    /// The programs to use for data of the release `made_by`, or the newest ones for data that are
    /// still to be made.
    ///
    /// Looks at TOLLWAY_POSTGRES_BIN, where distributions put releases side by side, and PATH.
    ///
    /// # Errors
    /// See [`ProgramsError`].
    pub fn find(made_by: Option<u32>) -> Result<Self, ProgramsError> {
        choose(candidates(), made_by)
    }

    /// The release, such as 15.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The folder they are in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of one of them.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn choose(mut found: Vec<Programs>, made_by: Option<u32>) -> Result<Programs, ProgramsError> {
    // Stable: of two folders with the same release the one that was looked at first comes last.
    found.reverse();
    found.sort_by_key(|programs| programs.major);
    if let Some(made_by) = made_by
        && let Some(same) = found.iter().rfind(|programs| programs.major == made_by)
    {
        return Ok(same.clone());
    }
    let newest = found.pop().ok_or(ProgramsError::Missing)?;
    match made_by {
        Some(made_by) => Err(ProgramsError::OtherMajor {
            made_by,
            found: newest.major,
        }),
        None if newest.major < MAJOR_MIN => Err(ProgramsError::TooOld {
            found: newest.major,
            folder: newest.folder,
        }),
        None => Ok(newest),
    }
}

fn candidates() -> Vec<Programs> {
    if let Some(folder) = env::var_os(FOLDER_VARIABLE) {
        return probe(folder.into()).into_iter().collect();
    }
    // Debian and Ubuntu, then Homebrew on both kinds of Mac; /usr/bin (Fedora, Arch) is on PATH.
    let mut folders: Vec<PathBuf> = subfolders("/usr/lib/postgresql", "");
    folders.extend(subfolders("/opt/homebrew/opt", "postgresql@"));
    folders.extend(subfolders("/usr/local/opt", "postgresql@"));
    folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    folders.push("/usr/bin".into());
    folders.into_iter().filter_map(probe).collect()
}

/// `PARENT/PREFIX.../bin`
fn subfolders(parent: &str, prefix: &str) -> Vec<PathBuf> {
    fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| {
            entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.starts_with(prefix))
        })
        .map(|entry| entry.path().join("bin"))
        .collect()
}

fn probe(folder: PathBuf) -> Option<Programs> {
    if !folder.join("initdb").is_file() {
        return None;
    }
    let output = Command::new(folder.join("postgres"))
        .arg("--version")
        .output()
        .ok()?;
    let major = major_of(&String::from_utf8_lossy(&output.stdout))?;
    Some(Programs { folder, major })
}

/// From `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` or `postgres (PostgreSQL) 19beta1`.
fn major_of(version: &str) -> Option<u32> {
    let number = version.split_once(") ")?.1;
    let digits = number.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// The one line that helps on this machine.
fn install_advice() -> &'static str {
    let has = |program: &str| {
        env::split_paths(&env::var_os("PATH").unwrap_or_default())
            .any(|folder| folder.join(program).is_file())
    };
    if has("apt-get") {
        "run `apt-get install postgresql`"
    } else if has("dnf") {
        "run `dnf install postgresql-server`"
    } else if has("zypper") {
        "run `zypper install postgresql-server`"
    } else if has("pacman") {
        "run `pacman -S postgresql`"
    } else if has("brew") {
        "run `brew install postgresql@17`"
    } else {
        "install PostgreSQL 15 or newer with its server programs"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs(majors: &[u32]) -> Vec<Programs> {
        majors
            .iter()
            .map(|&major| Programs {
                folder: format!("/{major}").into(),
                major,
            })
            .collect()
    }

    #[test]
    fn newest_release_makes_data_and_the_same_release_serves_them() {
        assert_eq!(choose(programs(&[15, 17, 16]), None).unwrap().major(), 17);
        assert_eq!(choose(programs(&[15, 17, 16]), Some(16)).unwrap().major(), 16);
        // What was made by a release is served by it, whatever its age.
        assert_eq!(choose(programs(&[14]), Some(14)).unwrap().major(), 14);
    }

    #[test]
    fn what_is_missing_is_said_with_what_to_do() {
        let told = choose(programs(&[]), None).unwrap_err().to_string();
        assert!(
            told.contains("DATABASE_URL") && told.contains("install"),
            "{told}"
        );
        let told = choose(programs(&[13]), None).unwrap_err().to_string();
        assert!(
            told.contains("is 13 (/13)") && told.contains("15 or newer"),
            "{told}"
        );
        let told = choose(programs(&[17]), Some(15)).unwrap_err().to_string();
        assert!(
            told.contains("pg_upgrade") && told.contains("postgresql-15"),
            "{told}"
        );
    }

    #[test]
    fn first_folder_wins_among_equals() {
        let mut two = programs(&[15, 15]);
        two[1].folder = "/other".into();
        assert_eq!(choose(two, None).unwrap().folder(), Path::new("/15"));
    }

    #[test]
    fn versions_are_read_as_the_programs_print_them() {
        assert_eq!(
            major_of("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some(15)
        );
        assert_eq!(major_of("postgres (PostgreSQL) 19beta1\n"), Some(19));
        assert_eq!(major_of("something else"), None);
    }
}
