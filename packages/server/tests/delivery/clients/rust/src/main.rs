//! Unleash's Rust SDK as a contract program (`ensign_testkit.programs` says what it answers).

use std::io::{stdin, BufRead};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{from_str, from_value, json, Value};
use unleash_api_client::client::{Client, ClientBuilder, FeatureKey};
use unleash_api_client::context::Context;

/// Flags are asked for by their names; the SDK wants a type for those that are not.
#[allow(non_camel_case_types)]
#[derive(Debug, Clone, Copy, FeatureKey)]
enum Flags {
    watched,
}

fn say(value: Value) {
    println!("{value}");
}

fn answers(client: &Client<Flags>, flags: &[String], contexts: &[Context]) -> Value {
    let answer = |flag: &str, context: &Context| {
        let variant = client.get_variant_str(flag, context);
        let payload = if variant.payload.is_empty() { Value::Null } else { json!(variant.payload) };
        json!([client.is_enabled_str(flag, Some(context), false), variant.name, payload])
    };
    flags.iter().map(|flag| contexts.iter().map(|context| answer(flag, context)).collect::<Vec<_>>()).collect()
}

#[tokio::main]
async fn main() {
    let given: Value = from_str(&std::env::args().nth(1).expect("an argument")).expect("JSON");
    let text = |name: &str| given[name].as_str().expect(name).to_string();
    let flags: Vec<String> = from_value(given["flags"].clone()).expect("flags");
    let contexts: Vec<Context> = from_value(given["contexts"].clone()).expect("contexts");
    let client: Arc<Client<Flags>> = Arc::new(
        ClientBuilder::default()
            .interval(500)
            .enable_string_features()
            .into_client(&text("url"), &text("app"), "one", Some(text("token")))
            .expect("a client"),
    );
    if let Err(problem) = client.register().await {
        eprintln!("{problem}");
    }
    let polling = tokio::spawn({
        let client = client.clone();
        async move { client.poll_for_updates().await }
    });
    for _ in 0..100 {
        if client.cached_state().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    say(json!("ready"));
    for line in stdin().lock().lines() {
        match line.expect("a line").as_str() {
            "watch" => say(json!(client.is_enabled(Flags::watched, Some(&contexts[0]), false))),
            "answers" => say(answers(&client, &flags, &contexts)),
            "end" => break,
            _ => {}
        }
    }
    client.stop_poll().await;
    polling.await.expect("it ends");
    say(json!("ended"));
}
