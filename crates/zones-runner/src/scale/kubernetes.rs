//! Kubernetes: an indexed Job of shares. JSON, which every reader of YAML reads.
//!
//! Source: the API reference of Kubernetes, `batch/v1` Job and `node.k8s.io/v1` RuntimeClass.

use serde_json::{Value, json};

use super::word;

/// What a Job of shares is.
#[derive(Debug, Clone)]
pub struct Cluster<'a> {
    /// The product, a name of DNS (RFC 1123).
    pub name: &'a str,
    /// The container image that has zones and what the matrix needs.
    pub image: &'a str,
    /// The matrix file in the shared volume, relative to its root.
    pub file: &'a str,
    /// The plan in the shared volume.
    pub plan: &'a str,
    /// The first part of the ids of the shares' runs.
    pub stem: &'a str,
    /// How many shares there are.
    pub shares: usize,
    /// How many run at a time.
    pub at_once: usize,
    /// The volume claim that holds product, plan and reports, for all shares.
    pub claim: &'a str,
    /// Memory of a share, as Kubernetes writes it: `4Gi`.
    pub memory: &'a str,
    /// Words that select cells.
    pub select: &'a [String],
}

/// Where a container finds the shared volume.
const SHARED: &str = "/srv/matrix";
/// Where it keeps images and zones: on the node, since clones need one file system.
const NODE: &str = "/var/lib/zones-matrix";
/// The handler that nodes know the OCI runtime of zones by, and the class of the same name.
const HANDLER: &str = "zones";

/// The Job: one completion for each share. A share that fails is not started again, since the
/// report tells what failed.
#[must_use]
pub fn job(cluster: &Cluster<'_>) -> Value {
    let select: String = cluster
        .select
        .iter()
        .map(|it| format!(" {}", word(it)))
        .collect();
    // The index of a completion is from 0, that of a share from 1.
    let script = format!(
        "share=$((JOB_COMPLETION_INDEX + 1))\n\
         zones matrix -R {NODE} run -f {} --plan {} --id {}-$(printf %03d \"$share\") \
         --shard \"$share/{}\"{select}\n\
         status=$?\n\
         # A product that failed is an answer; a test bed that did is none.\n\
         case $status in 0|1|3|4) exit 0 ;; *) exit $status ;; esac\n",
        word(&format!("{SHARED}/{}", cluster.file)),
        word(&format!("{SHARED}/{}", cluster.plan)),
        word(cluster.stem),
        cluster.shares,
    );
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": format!("matrix-{}", cluster.name),
            "labels": { "app.kubernetes.io/name": "zones-matrix", "matrix": cluster.name },
        },
        "spec": {
            "completionMode": "Indexed",
            "completions": cluster.shares,
            "parallelism": cluster.at_once,
            "backoffLimit": 0,
            "template": {
                "metadata": { "labels": { "matrix": cluster.name } },
                "spec": {
                    "restartPolicy": "Never",
                    "automountServiceAccountToken": false,
                    "containers": [{
                        "name": "share",
                        "image": cluster.image,
                        "command": ["/bin/sh", "-c", script],
                        // Zones in a pod: it makes namespaces, mounts and control groups.
                        "securityContext": { "privileged": true },
                        "resources": {
                            "requests": { "memory": cluster.memory },
                            "limits": { "memory": cluster.memory },
                        },
                        "volumeMounts": [
                            { "name": "shared", "mountPath": SHARED },
                            { "name": "node", "mountPath": NODE },
                        ],
                    }],
                    "volumes": [
                        { "name": "shared", "persistentVolumeClaim": { "claimName": cluster.claim } },
                        {
                            "name": "node",
                            "hostPath": { "path": NODE, "type": "DirectoryOrCreate" },
                        },
                    ],
                },
            },
        },
    })
}

/// The class of pods that are zones themselves, where nodes have the OCI runtime of zones.
#[must_use]
pub fn runtime_class() -> Value {
    json!({
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": { "name": HANDLER },
        "handler": HANDLER,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Cluster<'static> {
        Cluster {
            name: "acme",
            image: "registry.example.org/zones:1",
            file: "acme/matrix.toml",
            plan: "acme/plan.json",
            stem: "20261121-ab",
            shares: 8,
            at_once: 4,
            claim: "matrix",
            memory: "4Gi",
            select: &[],
        }
    }

    /// The fields that the API knows at a place, for those that are used here; `*` is any key.
    const KNOWN: [(&str, &[&str]); 13] = [
        ("", &["apiVersion", "kind", "metadata", "spec"]),
        ("/metadata", &["name", "labels", "namespace", "annotations"]),
        ("/metadata/labels", &["*"]),
        (
            "/spec",
            &[
                "completionMode",
                "completions",
                "parallelism",
                "backoffLimit",
                "template",
            ],
        ),
        ("/spec/template", &["metadata", "spec"]),
        ("/spec/template/metadata", &["labels"]),
        ("/spec/template/metadata/labels", &["*"]),
        (
            "/spec/template/spec",
            &[
                "restartPolicy",
                "automountServiceAccountToken",
                "containers",
                "volumes",
            ],
        ),
        (
            "/spec/template/spec/containers/-",
            &[
                "name",
                "image",
                "command",
                "securityContext",
                "resources",
                "volumeMounts",
            ],
        ),
        (
            "/spec/template/spec/containers/-/securityContext",
            &["privileged"],
        ),
        (
            "/spec/template/spec/containers/-/resources",
            &["requests", "limits"],
        ),
        (
            "/spec/template/spec/containers/-/volumeMounts/-",
            &["name", "mountPath"],
        ),
        (
            "/spec/template/spec/volumes/-",
            &["name", "persistentVolumeClaim", "hostPath"],
        ),
    ];

    fn read(at: &str, value: &Value) {
        match value {
            Value::Object(map) => {
                let known = KNOWN.iter().find(|(place, _)| *place == at);
                for (key, value) in map {
                    if let Some((_, keys)) = known {
                        assert!(keys.contains(&key.as_str()) || *keys == ["*"], "{at}/{key}");
                    }
                    read(&format!("{at}/{key}"), value);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| read(&format!("{at}/-"), item)),
            _ => {}
        }
    }

    #[test]
    fn the_job_has_a_completion_for_each_share_and_no_unknown_field() {
        let job = job(&example());
        read("", &job);
        let spec = &job["spec"];
        assert_eq!(spec["completions"], 8);
        assert_eq!(spec["parallelism"], 4);
        assert_eq!(
            spec["template"]["spec"]["restartPolicy"], "Never",
            "what a Job demands"
        );
        let container = &spec["template"]["spec"]["containers"][0];
        let mounted = container["volumeMounts"].as_array().unwrap();
        let volumes = spec["template"]["spec"]["volumes"].as_array().unwrap();
        assert!(
            mounted
                .iter()
                .zip(volumes)
                .all(|(one, two)| one["name"] == two["name"])
        );
        let class = runtime_class();
        assert_eq!(class["metadata"]["name"], class["handler"]);
    }

    /// What the container runs, with a `zones` that prints its words.
    #[test]
    fn the_container_runs_its_share_and_tells_a_failed_test_bed() {
        let job = job(&example());
        let script = job["spec"]["template"]["spec"]["containers"][0]["command"][2].clone();
        let script = script.as_str().unwrap();
        for (status, ended) in [(0, 0), (1, 0), (2, 2), (3, 0), (4, 0), (64, 64)] {
            let text = format!("zones() {{ echo \"$@\"; return {status}; }}\n{script}");
            let said = std::process::Command::new("/bin/sh")
                .args(["-c", &text])
                .env("JOB_COMPLETION_INDEX", "7")
                .output()
                .unwrap();
            assert_eq!(said.status.code(), Some(ended));
            assert_eq!(
                String::from_utf8(said.stdout).unwrap(),
                "matrix -R /var/lib/zones-matrix run -f /srv/matrix/acme/matrix.toml \
                 --plan /srv/matrix/acme/plan.json --id 20261121-ab-008 --shard 8/8\n"
            );
        }
    }
}
