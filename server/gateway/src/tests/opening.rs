//! How a server opens, and how it says that it cannot.

use drawbridge_store::FolderError;

use super::lab::{Lab, config};
use crate::{OpenError, Server, ServerConfig};

#[tokio::test]
async fn a_taken_port_a_used_folder_and_an_unusable_one_are_told_apart() {
    let lab = Lab::open().await;
    let elsewhere = tempfile::tempdir().expect("temp dir");

    let taken = ServerConfig {
        listen: lab.address.to_string(),
        ..config(elsewhere.path())
    };
    let error = Server::open(taken).await.expect_err("taken");
    assert!(matches!(error, OpenError::Address { .. }), "{error}");

    let error = Server::open(config(lab.home.path())).await.expect_err("in use");
    assert!(
        matches!(error, OpenError::Folder(FolderError::InUse { .. })),
        "{error}"
    );

    std::fs::write(elsewhere.path().join("file"), "").expect("written");
    let unusable = ServerConfig {
        data_dir: elsewhere.path().join("file/data"),
        ..config(elsewhere.path())
    };
    let error = Server::open(unusable).await.expect_err("unusable");
    assert!(
        matches!(error, OpenError::Folder(FolderError::Unusable { .. })),
        "{error}"
    );
    lab.close().await;
}

#[tokio::test]
async fn a_second_start_finds_what_the_first_one_made() {
    let lab = Lab::open().await;
    let key = lab.administrator.clone();
    let authority = std::fs::read(&lab.authority).expect("readable");
    let home = lab.close().await;
    let again = Lab::open_in(home).await;
    assert_eq!(
        (&again.administrator.id, &again.administrator.secret),
        (&key.id, &key.secret)
    );
    assert_eq!(std::fs::read(&again.authority).expect("readable"), authority);
    again.close().await;
}

#[tokio::test]
async fn sessions_outlive_the_server_that_started_them() {
    let lab = Lab::open().await;
    let (node, _credentials, _control) = lab.connected_node(1).await;
    let (session, _token) = lab.session(&node).await;
    let home = lab.close().await;
    let again = Lab::open_in(home).await;
    assert_eq!(again.relay().live_sessions(), 1);
    let record = again
        .gateway
        .store
        .session(&session)
        .await
        .expect("store")
        .expect("known");
    assert!(record.state.is_active());
    again.close().await;
}
