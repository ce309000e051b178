use serde_json::json;

use super::*;

fn load(table: &Value, env: &[(&str, &str)]) -> Result<Settings, String> {
    let dir = tempfile::tempdir().unwrap();
    load_in(dir.path(), table, env)
}

fn load_in(folder: &Path, table: &Value, env: &[(&str, &str)]) -> Result<Settings, String> {
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::load(table.as_object().unwrap(), folder, &env.collect()).map_err(|error| error.to_string())
}

fn http(settings: Result<Settings, String>) -> (String, Option<String>) {
    match settings.unwrap().transport {
        Some(TransportSettings::Http(http)) => (http.address(), http.key.map(|key| key.0)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_set_tells_nothing() {
    assert_eq!(load(&json!({}), &[]).unwrap().transport, None);
    let off = [("OPENLINEAGE_URL", "http://c"), ("OPENLINEAGE_DISABLED", "true")];
    assert_eq!(load(&json!({}), &off).unwrap().transport, None);
    let off = load(&json!({ "disabled": true }), &[("OPENLINEAGE_URL", "http://c")]);
    assert_eq!(off.unwrap().transport, None);
}

#[test]
fn the_environment_is_that_of_other_clients() {
    let simple = [
        ("OPENLINEAGE_URL", "http://marquez:5000/"),
        ("OPENLINEAGE_API_KEY", "k"),
    ];
    let marquez = "http://marquez:5000/api/v1/lineage".to_owned();
    assert_eq!(http(load(&json!({}), &simple)), (marquez, Some("k".to_owned())));
    let dynamic = [
        ("OPENLINEAGE_URL", "http://other"),
        ("OPENLINEAGE__TRANSPORT__TYPE", "http"),
        ("OPENLINEAGE__TRANSPORT__URL", "https://datahub"),
        (
            "OPENLINEAGE__TRANSPORT__ENDPOINT",
            "/openapi/openlineage/api/v1/lineage",
        ),
        (
            "OPENLINEAGE__TRANSPORT__AUTH",
            r#"{"type":"api_key", "apiKey":"secreto"}"#,
        ),
        ("OPENLINEAGE__TRANSPORT__COMPRESSION", "gzip"),
    ];
    let datahub = "https://datahub/openapi/openlineage/api/v1/lineage".to_owned();
    let settings = load(&json!({}), &dynamic);
    assert!(!format!("{settings:?}").contains("secreto"));
    assert_eq!(http(settings), (datahub, Some("secreto".to_owned())));
    let kafka = [
        ("OPENLINEAGE__TRANSPORT__TYPE", "kafka"),
        ("OPENLINEAGE__TRANSPORT__TOPIC_NAME", "linaje"),
        (
            "OPENLINEAGE__TRANSPORT__PROPERTIES",
            r#"{"bootstrap.servers": "b:9092"}"#,
        ),
    ];
    let TransportSettings::Kafka(kafka) = load(&json!({}), &kafka).unwrap().transport.unwrap() else {
        panic!("a topic");
    };
    assert_eq!(
        (kafka.topic.as_str(), kafka.settings["bootstrap.servers"].as_str()),
        ("linaje", "b:9092")
    );
}

#[test]
fn a_file_goes_before_the_environment_and_malla_toml_before_both() {
    let dir = tempfile::tempdir().unwrap();
    let yml = "transport:\n  type: http\n  url: http://file\n  auth:\n    type: api_key\n    apiKey: f\n";
    std::fs::write(dir.path().join("openlineage.yml"), yml).unwrap();
    let env = [("OPENLINEAGE_URL", "http://env")];
    let (url, key) = http(load_in(dir.path(), &json!({}), &env));
    assert_eq!(
        (url.as_str(), key.as_deref()),
        ("http://file/api/v1/lineage", Some("f"))
    );
    let ours = json!({ "transport": { "type": "file", "path": "out/lineage.jsonl" }, "namespace": "n" });
    let settings = load_in(dir.path(), &ours, &env).unwrap();
    let path = dir.path().join("out/lineage.jsonl");
    assert_eq!(settings.transport, Some(TransportSettings::File { path }));
    assert_eq!(settings.namespace, "n");
}

#[test]
fn what_cannot_be_is_named_and_says_what_to_do() {
    for (table, said) in [
        (
            json!({ "url": "x" }),
            "[lineage]: there is no setting `url`: write namespace, ",
        ),
        (json!({ "spool_mib": 0 }), "`spool_mib` must be 1 to 65536"),
        (
            json!({ "transport": {} }),
            "must say its `type`: file, http, kafka or console",
        ),
        (
            json!({ "transport": { "type": "smoke" } }),
            "`smoke` is no type of transport",
        ),
        (
            json!({ "transport": { "type": "http" } }),
            "a transport of type http needs `url`",
        ),
        (
            json!({ "transport": { "type": "http", "url": "marquez:5000" } }),
            "begin with http://",
        ),
        (
            json!({ "transport": { "type": "http", "url": "http://a:b@c" } }),
            "no user and password",
        ),
        (
            json!({ "transport": { "type": "http", "url": "http://c", "auth": { "type": "api_key", "api_key": "k" } } }),
            "must not stand in malla.toml",
        ),
        (
            json!({ "transport": { "type": "http", "url": "http://c", "auth": { "type": "api_key", "api_key": { "env": "NO" } } } }),
            "the variable NO of the environment, which is not set",
        ),
        (
            json!({ "transport": { "type": "kafka", "topic": "t" } }),
            "`bootstrap.servers`",
        ),
        (json!({ "transport": { "type": "file" } }), "needs `path`"),
    ] {
        let error = load(&table, &[]).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}
