//! A test rig: one target, a scratch directory on either side, and the tool.

use crate::support::target::Target;
use s3driver::client::{Client, ListObjects, ObjectSettings, SignatureVersion};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

/// The tool with a target's keys in its environment and a separate directory in the bucket.
pub(crate) struct Rig<'a> {
    pub(crate) target: &'a Target,
    pub(crate) client: Client,
    /// The directory in the bucket, without a slash at its end.
    pub(crate) root: String,
    /// The directory on this machine.
    pub(crate) folder: TempDir,
}

/// The result of a process that has ended.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl<'a> Rig<'a> {
    pub(crate) fn new(target: &'a Target, what: &str) -> Self {
        Self {
            target,
            client: target.client(),
            root: target.scratch(what),
            folder: TempDir::new().expect("a directory"),
        }
    }

    /// Returns the tool without arguments and without any configuration except the target's keys.
    pub(crate) fn bare(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_s3driver"));
        command
            .env_clear()
            .env("HOME", self.folder.path())
            .env("AWS_ACCESS_KEY_ID", &self.target.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &self.target.secret_key)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Returns the tool with these arguments, followed by the arguments for the target's endpoint.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare();
        if matches!(arguments, [option, ..] if option.starts_with("--")) {
            command.args(arguments);
            return command;
        }
        command.args(arguments);
        command.args(["--endpoint", &self.target.endpoint, "--region", &self.target.region]);
        command.args(["-o", "chunksize=5242880"]);
        if self.target.signature == SignatureVersion::V2 {
            command.args(["-o", "v4auth=false"]);
        }
        if let Some(file) = &self.target.ca_file {
            command.args(["-o", &format!("cacert={file}")]);
        }
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.command(arguments).output().expect("a process"))
    }

    /// Runs the tool and returns its standard output. The tool must succeed and must not write to
    /// the standard error.
    #[track_caller]
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments);
        assert_eq!((run.code, &*run.stderr), (Some(0), ""), "{arguments:?}: {}", run.stdout);
        run.stdout
    }

    /// Runs the tool with `--json` and returns the JSON value of each line.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.ok(&[arguments, &["--json"]].concat());
        output.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// Runs the tool and returns its error. The tool must fail with this exit code and must not
    /// write to the standard output.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let run = self.run(arguments);
        assert_eq!((run.code, &*run.stdout), (Some(code), ""), "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.starts_with("s3driver: "), "{arguments:?}: {}", run.stderr);
        run.stderr
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().expect("a process")
    }

    /// Returns `s3://bucket/root/name`.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("s3://{}/{}", self.target.bucket, self.key(name))
    }

    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.root)
    }

    pub(crate) fn put(&self, name: &str, content: &[u8]) {
        self.client
            .put_object(&self.target.bucket, &self.key(name), content, &ObjectSettings::default())
            .expect("stored");
    }

    pub(crate) fn get(&self, name: &str) -> Vec<u8> {
        let request = s3driver::client::GetObject::default();
        let reader = self.client.get_object(&self.target.bucket, &self.key(name), &request);
        reader.and_then(|reader| reader.read_all(usize::MAX)).expect("read")
    }

    /// Returns the names below the directory in the bucket, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let request = ListObjects::prefix(self.key(""));
        let pages = self.client.objects(&self.target.bucket, request).pages();
        let keys = pages.flat_map(|page| page.expect("a page").contents).map(|object| object.key);
        let mut names: Vec<_> =
            keys.filter_map(|key| Some(key.strip_prefix(&self.key(""))?.to_owned())).collect();
        names.sort();
        names
    }

    /// Returns the number of unfinished uploads below the directory in the bucket.
    pub(crate) fn uploads(&self) -> usize {
        let pages = self.client.uploads(&self.target.bucket, &self.key("")).pages();
        pages.map(|page| page.expect("a page").uploads.len()).sum()
    }

    /// Returns a path in the directory on this machine.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and returns its path as an argument.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(&path, content).expect("written");
        text(&path)
    }

    /// Returns the files below the directory on this machine, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a directory") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(text(path.strip_prefix(self.folder.path()).expect("below it")));
                }
            }
        }
        found.sort();
        found
    }
}

impl Drop for Rig<'_> {
    fn drop(&mut self) {
        // Errors are ignored, because a server that was configured to fail does not delete its
        // objects.
        let pages =
            self.client.objects(&self.target.bucket, ListObjects::prefix(self.key(""))).pages();
        for object in pages.flatten().flat_map(|page| page.contents) {
            let _ =
                self.client.delete_object(&self.target.bucket, &object.key, &Default::default());
        }
    }
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

pub(crate) fn text(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}
