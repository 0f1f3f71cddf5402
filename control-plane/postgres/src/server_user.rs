//! Who the server runs as, and who may connect to it.

use std::{
    env, fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::geteuid;

/// The user that Postgres runs as: us, or somebody else when we are root, which Postgres refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUser {
    /// Our name, which the server gets from the operating system when we connect.
    own_name: String,
    other: Option<OtherUser>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct OtherUser {
    name: &'static str,
    uid: u32,
    gid: u32,
}

/// There is nobody to run it.
#[derive(Debug, thiserror::Error)]
pub enum ServerUserError {
    /// A container with a random user id.
    #[error(
        "the user id {0} has no name here, and Postgres needs one: add a row for it to /etc/passwd, or set \
         DATABASE_URL to a database of yours"
    )]
    NoName(u32),
    /// A system on which Postgres was never installed by a package. `nobody` would not do: what it owns belongs
    /// to every other program that runs as nobody.
    #[error(
        "Postgres does not run as root, and there is no user `postgres`: add one (useradd --system postgres), run as \
         another user, or set DATABASE_URL to a database of yours"
    )]
    NoOther,
}

impl ServerUser {
    /// For this process.
    ///
    /// # Errors
    /// See [`ServerUserError`].
    pub fn find() -> Result<Self, ServerUserError> {
        let uid = geteuid();
        let own_name = own_name().ok_or(ServerUserError::NoName(uid.as_raw()))?;
        if !uid.is_root() {
            return Ok(Self {
                own_name,
                other: None,
            });
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let other = find(&passwd, "postgres").ok_or(ServerUserError::NoOther)?;
        Ok(Self {
            own_name,
            other: Some(other),
        })
    }

    /// The name under which this process connects.
    pub(crate) fn own_name(&self) -> &str {
        &self.own_name
    }

    /// Makes a command run as this user, from a folder that everybody can enter, and without our environment:
    /// it may hold secrets, and this user can read it from /proc.
    pub fn apply(&self, command: &mut Command) {
        command.current_dir("/").env_clear();
        for name in ["PATH", "LD_LIBRARY_PATH"] {
            command.envs(env::var_os(name).map(|value| (name, value)));
        }
        if let Some(other) = &self.other {
            command.uid(other.uid).gid(other.gid);
        }
    }

    /// The number of the user that the server runs as.
    pub(crate) fn uid(&self) -> u32 {
        self.other
            .as_ref()
            .map_or_else(|| geteuid().as_raw(), |other| other.uid)
    }

    /// Gives a folder to this user.
    pub fn give(&self, path: &Path) -> std::io::Result<()> {
        match &self.other {
            Some(other) => std::os::unix::fs::chown(path, Some(other.uid), Some(other.gid)),
            None => Ok(()),
        }
    }

    /// The first folder on the way to `path` that this user cannot enter, and the user's name.
    ///
    /// A guess from the folders' modes: it is for telling people, not for deciding.
    pub fn cannot_enter(&self, path: &Path) -> Option<(PathBuf, &'static str)> {
        use std::os::unix::fs::MetadataExt;
        let other = self.other.as_ref()?;
        let mut folders: Vec<&Path> = path.ancestors().skip(1).collect();
        folders.reverse();
        folders.into_iter().find_map(|folder| {
            let metadata = fs::metadata(folder).ok()?;
            let bit = if metadata.uid() == other.uid {
                0o100
            } else if metadata.gid() == other.gid {
                0o010
            } else {
                0o001
            };
            (metadata.mode() & bit == 0).then(|| (folder.to_owned(), other.name))
        })
    }
}

/// `id` asks everything that knows users (LDAP too); the password file alone would not do.
fn own_name() -> Option<String> {
    let output = Command::new("id").arg("-un").output().ok()?;
    let name = String::from_utf8(output.stdout).ok()?;
    let name = name.trim();
    (output.status.success() && !name.is_empty()).then(|| name.to_owned())
}

fn find(passwd: &str, name: &'static str) -> Option<OtherUser> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        Some(OtherUser {
            name,
            uid: fields.nth(1)?.parse().ok()?,
            gid: fields.next()?.parse().ok()?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_is_found_by_its_whole_name() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\npostgresql:x:7:8::/:/bin/false\npostgres:x:105:109:,,,:/var/lib/postgresql:/bin/bash\n";
        let found = find(passwd, "postgres").unwrap();
        assert_eq!((found.uid, found.gid), (105, 109));
        assert_eq!(find(passwd, "nobody"), None);
    }

    #[test]
    fn closed_folder_on_the_way_is_named() {
        use std::os::unix::fs::PermissionsExt;
        let outer = tempfile::tempdir().unwrap();
        let closed = outer.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        fs::set_permissions(outer.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let user = ServerUser {
            own_name: "root".to_owned(),
            other: Some(OtherUser {
                name: "postgres",
                uid: 4_000_000,
                gid: 4_000_000,
            }),
        };
        let (folder, name) = user.cannot_enter(&closed.join("postgres")).unwrap();
        assert_eq!((folder.as_path(), name), (closed.as_path(), "postgres"));
        assert_eq!(user.cannot_enter(&outer.path().join("postgres")), None);
    }
}
