//! Names of datasets, by the naming rules of OpenLineage: whoever else tells of the same data tells of it by the same name.

use serde::Serialize;

use crate::making::Place;

/// What events call data by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Dataset {
    /// Where such data is: `file`, `s3://bucket`, `kafka://host:port`.
    pub namespace: String,
    /// What it is called there.
    pub name: String,
}

/// Where a lake lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    namespace: String,
    /// Without a slash at its end.
    path: String,
}

impl Root {
    /// Of a lake's path or URL.
    #[must_use]
    pub fn of(location: &str) -> Self {
        let location = location.strip_prefix("file://").unwrap_or(location);
        match location.split_once("://") {
            Some((scheme, rest)) => {
                let scheme = if scheme == "s3a" { "s3" } else { scheme };
                let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
                Self {
                    namespace: format!("{scheme}://{host}"),
                    path: path.trim_matches('/').to_owned(),
                }
            }
            None => Self {
                namespace: "file".to_owned(),
                path: location.trim_end_matches('/').to_owned(),
            },
        }
    }

    /// What is called so.
    #[must_use]
    pub fn dataset(&self, place: &Place) -> Dataset {
        let of = |namespace: String, name: &str| Dataset {
            namespace,
            name: name.to_owned(),
        };
        match place {
            Place::Lake(table) if self.path.is_empty() => of(self.namespace.clone(), table),
            Place::Lake(table) => of(self.namespace.clone(), &format!("{}/{table}", self.path)),
            Place::Folder(path) => of("file".to_owned(), path),
            Place::Kafka { server, topic } => of(format!("kafka://{server}"), topic),
            Place::Sftp { server, folder } => of(format!("sftp://{server}"), folder),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lake(table) => f.write_str(table),
            Self::Folder(path) => f.write_str(path),
            Self::Kafka { server, topic } => write!(f, "kafka://{server}/{topic}"),
            Self::Sftp { server, folder } => write!(f, "sftp://{server}/{}", folder.trim_start_matches('/')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datasets_are_called_as_the_naming_rules_say() {
        let name = |root: &str, place: &Place| {
            let Dataset { namespace, name } = Root::of(root).dataset(place);
            format!("{namespace} {name}")
        };
        let table = Place::Lake("ventas/gold/daily-revenue".into());
        assert_eq!(
            name("/srv/lake", &table),
            "file /srv/lake/ventas/gold/daily-revenue"
        );
        assert_eq!(
            name("file:///srv/lake/", &table),
            "file /srv/lake/ventas/gold/daily-revenue"
        );
        assert_eq!(
            name("s3a://bucket/a/b/", &table),
            "s3://bucket a/b/ventas/gold/daily-revenue"
        );
        assert_eq!(
            name("s3://bucket", &table),
            "s3://bucket ventas/gold/daily-revenue"
        );
        let topic = Place::Kafka {
            server: "broker:9092".into(),
            topic: "ventas.transacciones".into(),
        };
        assert_eq!(name("/lake", &topic), "kafka://broker:9092 ventas.transacciones");
        let folder = Place::Sftp {
            server: "sftp.example.com".into(),
            folder: "/salida".into(),
        };
        assert_eq!(name("/lake", &folder), "sftp://sftp.example.com /salida");
    }
}
