//! The ceiling of HTTP: actix with the server's own settings, and nothing behind it.
//!
//! `GET` answers with the bytes that the server itself gave for the same path; `POST` reads the
//! body and sends it back. Whatever Kantele needs above this is its own.

use std::collections::HashMap;
use std::path::PathBuf;

use actix_web::web::{Bytes, Data, to};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};

use crate::Outcome;

/// Where the answers are.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// File with pairs of lines: a path, then the body that it answers with.
    answers: PathBuf,
}

type Answers = HashMap<String, Bytes>;

/// Serves until it is stopped.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let text = std::fs::read_to_string(&arguments.answers)?;
    let mut answers = Answers::new();
    let mut lines = text.lines();
    while let (Some(path), Some(body)) = (lines.next(), lines.next()) {
        answers.insert(path.to_owned(), Bytes::from(body.to_owned()));
    }
    let answers = Data::new(answers);
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    println!("listening on http://{}/fhir", listener.local_addr()?);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    actix_web::rt::System::new().block_on(async move {
        HttpServer::new(move || App::new().app_data(answers.clone()).default_service(to(answer)))
            .workers(workers)
            .listen(listener)?
            .run()
            .await
    })?;
    Ok(())
}

async fn answer(request: HttpRequest, answers: Data<Answers>, body: Bytes) -> HttpResponse {
    let kind = "application/fhir+json; charset=utf-8";
    if !body.is_empty() {
        return HttpResponse::Created().content_type(kind).body(body);
    }
    match answers.get(request.path()) {
        Some(found) => HttpResponse::Ok().content_type(kind).body(found.clone()),
        None => HttpResponse::NotFound().finish(),
    }
}
