"""Shared code of the scripts registry-clients, registry-interop and registry-compare: servers, registries, images, clients."""
import contextlib
import hashlib
import http.client
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/examples"
MIB = 1 << 20
LAYER = "application/vnd.oci.image.layer.v1.tar"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
# A client that takes longer than this many seconds has failed.
CLIENT_LIMIT = 600
# Docker's registry does not start if this variable is set.
PLAIN = {name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}
SECRET = "shared-by-the-registries-of-a-cluster"


def build():
    for example in ("registry", "quickstart"):
        subprocess.run(["cargo", "build", "--locked", "--release", "--quiet", "--example", example], cwd=ROOT, check=True)


def need(*packages):
    """Installs the Debian packages whose program of the same name is missing."""
    missing = [name for name in packages if not shutil.which(name)]
    if missing:
        subprocess.run(["apt-get", "-q", "update"], check=True, stdout=subprocess.DEVNULL)
        install = ["apt-get", "-q", "install", "-y", "--no-install-recommends", *missing]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL)


def run(*command, fails=False, env=None):
    """Returns the standard output of a command, which must succeed, or fail if `fails` is set."""
    command = [str(part) for part in command]
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=CLIENT_LIMIT, env=env)
    if (ran.returncode != 0) != fails:
        sys.exit(f"{shlex.join(command)}\nended with status {ran.returncode}\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def settings_of(text):
    """Parses shell variables, as printed by the servers."""
    pairs = (word.split("=", 1) for line in text.splitlines() for word in shlex.split(line) if "=" in word)
    return dict(pairs)


@contextlib.contextmanager
def storage(name):
    """Runs an S3 server, `embedded` or a start script in $S3DRIVER_SERVERS, and yields its settings."""
    if name == "embedded":
        server = subprocess.Popen([TARGET / "quickstart", "--serve"], stdout=subprocess.PIPE, text=True)
        try:
            lines = [server.stdout.readline() for _ in range(5)]
            yield {**settings_of("".join(lines)), "S3_SIGNATURES": "v2 v4", "S3_SERVER": name}
        finally:
            server.kill()
            server.wait()
        return
    script = Path(os.environ["S3DRIVER_SERVERS"]) / name
    subprocess.run([script, "install"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield settings_of(run(script, "start"))
    finally:
        subprocess.run([script, "stop"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def s3(settings, query):
    """Returns a listing of the bucket."""
    url = f"{settings['S3_ENDPOINT']}/{settings['S3_BUCKET']}?{query}"
    user = f"{settings['S3_ACCESS_KEY']}:{settings['S3_SECRET_KEY']}"
    sign = f"aws:amz:{settings['S3_REGION']}:s3"
    return run("curl", "-sS", "--fail", "--aws-sigv4", sign, "--user", user, "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", url)


def left(settings, root):
    """Returns the keys below a root directory, including those of unfinished uploads."""
    keys = s3(settings, "list-type=2&prefix=" + urllib.parse.quote(f"{root}/", safe="")).split("<Key>")[1:]
    uploads = s3(settings, "uploads=").split("<Upload>")[1:]
    uploads = [upload.split("<Key>")[1] for upload in uploads]
    return [key.split("<")[0] for key in keys + [key for key in uploads if key.startswith(f"{root}/")]]


class Registry:
    """A registry process with its own configuration: `ours`, or Docker's (`docker`)."""

    def __init__(self, folder, settings, root, kind="ours", signature="v4", redirect=False, tls=None, port=0, options=None):
        self.kind, self.tls, self.port = kind, tls, port
        self.config = Path(folder) / f"{kind}-{signature}-{'redirect' if redirect else 'serve'}-{'tls' if tls else 'plain'}.yml"
        s3 = {
            "regionendpoint": settings["S3_ENDPOINT"],
            "region": settings["S3_REGION"],
            "accesskey": settings["S3_ACCESS_KEY"],
            "secretkey": settings["S3_SECRET_KEY"],
            "bucket": settings["S3_BUCKET"],
            "rootdirectory": f"/{root}" if kind == "docker" else root,
            "v4auth": signature == "v4",
            **(options or {}),
        }
        self.settings = {
            "version": 0.1,
            "log": {"accesslog": {"disabled": kind == "docker"}, "level": "error" if kind == "docker" else "info"},
            "storage": {
                "s3": s3,
                "delete": {"enabled": True},
                "redirect": {"disable": not redirect},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            "http": {"addr": "127.0.0.1:0", "secret": SECRET},
        }
        if tls:
            self.settings["http"]["tls"] = {"certificate": f"{tls}/ca.crt", "key": f"{tls}/ca.key.pem"}

    def start(self):
        if self.kind == "docker":
            self.settings["http"]["addr"] = f"127.0.0.1:{free_port()}"
        elif self.port:
            self.settings["http"]["addr"] = f"127.0.0.1:{self.port}"
        # Every JSON document is valid YAML.
        self.config.write_text(json.dumps(self.settings))
        self.log = self.config.with_suffix(".log").open("a")
        if self.kind == "docker":
            self.process = subprocess.Popen(["docker-registry", "serve", self.config], env=PLAIN, stdout=self.log, stderr=self.log)
            self.port = int(self.settings["http"]["addr"].rsplit(":", 1)[1])
            wait_for(lambda: responds(self.port), self.process)
        else:
            command = [TARGET / "registry", "serve", self.config]
            path = self.config.with_suffix(".out")
            path.write_text("")
            self.out = path.open("a")
            self.process = subprocess.Popen(command, stdout=self.out, stderr=self.log)
            wait_for(lambda: "listening on" in path.read_text(), self.process)
            self.port = int(path.read_text().split("listening on ")[1].split("\n")[0].rsplit(":", 1)[1])
        return self

    def requests(self):
        """Returns the requests since the start, which our registry writes to its standard output."""
        return self.config.with_suffix(".out").read_text().splitlines()[1:]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()

    def image(self, name):
        return f"docker://127.0.0.1:{self.port}/{name}"

    def verify(self, side):
        """Returns skopeo's option for trusting this registry; `side` is src, dest or empty."""
        side = f"{side}-" if side else ""
        return f"--{side}cert-dir={self.tls}" if self.tls else f"--{side}tls-verify=false"

    def maintain(self, *command):
        """Runs one of the registry's subcommands on its configuration."""
        program = ["docker-registry", *command] if self.kind == "docker" else [TARGET / "registry", *command]
        return run(*program, self.config, env=PLAIN)

    def http(self, method, path, body=b"", **headers):
        """Sends one request without a registry client and returns its status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=CLIENT_LIMIT)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, dict(response.getheaders()), content


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def responds(port):
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/v2/")
        return connection.getresponse().status == 200
    except OSError:
        return False


def wait_for(condition, process, seconds=60):
    """Waits for a condition, and fails if the process that should bring it about has ended."""
    import time

    end = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None or time.monotonic() > end:
            sys.exit(f"{process.args} ended with {process.poll()} before it was ready")
        time.sleep(0.02)


def content(path, seed, size):
    """Writes a file whose bytes depend on their position: a cipher's key stream."""
    key = hashlib.sha256(str(seed).encode()).hexdigest()[:32]
    command = f"openssl enc -aes-128-ctr -nosalt -K {key} -iv {'0' * 32} </dev/zero 2>/dev/null | head -c {size}"
    with path.open("wb") as file:
        subprocess.run(["bash", "-c", command], stdout=file, check=True)


def digest_of(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_image(folder, tag, sizes, seed):
    """Adds an image with layers of these sizes to the OCI layout of a folder, and returns its manifest's digest."""
    blobs = Path(folder) / "blobs/sha256"
    blobs.mkdir(parents=True, exist_ok=True)

    def put(path):
        digest, size = digest_of(path), path.stat().st_size
        path.rename(blobs / digest)
        return {"digest": f"sha256:{digest}", "size": size}

    def put_json(document):
        path = blobs / "new"
        path.write_text(json.dumps(document))
        return put(path)

    layers = []
    for number, size in enumerate(sizes):
        path = blobs / "new"
        content(path, f"{seed}/{number}", size)
        layers.append({"mediaType": LAYER, **put(path)})
    rootfs = {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}
    config = put_json({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs, "seed": str(seed)})
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", **config}
    manifest = put_json({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers})
    index = Path(folder) / "index.json"
    known = json.loads(index.read_text())["manifests"] if index.exists() else []
    entry = {"mediaType": MANIFEST, **manifest, "annotations": {"org.opencontainers.image.ref.name": tag}}
    index.write_text(json.dumps({"schemaVersion": 2, "manifests": [*known, entry]}))
    (Path(folder) / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))
    return manifest["digest"]


def push(registry, layout, tag, name):
    run("skopeo", "copy", "--quiet", "--preserve-digests", registry.verify("dest"), f"oci:{layout}:{tag}", registry.image(name))


def pull(registry, name, layout, digest):
    """Pulls an image and compares it, digest by digest, with the layout that it came from."""
    with tempfile.TemporaryDirectory() as folder:
        run("skopeo", "copy", "--quiet", "--preserve-digests", registry.verify("src"), registry.image(name), f"dir:{folder}/pulled")
        pulled = Path(folder) / "pulled"
        blobs = Path(layout) / "blobs/sha256"
        manifest = (pulled / "manifest.json").read_bytes()
        if f"sha256:{hashlib.sha256(manifest).hexdigest()}" != digest:
            sys.exit(f"{name}: the pulled manifest does not have the digest that was pushed, {digest}")
        document = json.loads(manifest)
        for descriptor in [document["config"], *document["layers"]]:
            hex_digest = descriptor["digest"].removeprefix("sha256:")
            file = pulled / hex_digest
            if digest_of(file) != hex_digest or file.stat().st_size != (blobs / hex_digest).stat().st_size:
                sys.exit(f"{name}: the pulled blob does not equal the one that was pushed, {hex_digest}")


def at_once(tasks):
    """Runs functions at the same time; the first failure ends the script."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(tasks)) as pool:
        for future in [pool.submit(task) for task in tasks]:
            try:
                future.result()
            except SystemExit as failure:
                print(failure, file=sys.stderr)
                os._exit(1)


def certificate(folder):
    """Creates a self-signed certificate for 127.0.0.1, in a folder that skopeo accepts."""
    folder = Path(folder)
    folder.mkdir()
    run(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "ca.key.pem", "-out", folder / "ca.crt",
    )
    return folder
