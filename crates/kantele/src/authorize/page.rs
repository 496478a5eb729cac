//! The page on which somebody says who they are: forms without script, style or password.

use std::fmt::Write;

use super::WARNING;
use super::exchange::{Answered, OAuthError};
use super::request::{Request, wants_patient};
use super::settings::User;

/// One form for each user.
pub(super) fn choice(request: &Request<'_>, users: &[User]) -> Answered {
    let mut body = String::new();
    let _infallible = write!(
        body,
        "<p><strong>{}</strong> asks for <code>{}</code>. Who are you?</p>",
        escaped(&request.client.id),
        escaped(request.scope),
    );
    let chooses = wants_patient(request.scope)
        && request.launch.is_none_or(|launch| launch.patient.is_none());
    for user in users {
        form(request, &mut body, |body| {
            hidden("user", &user.name, body);
            if chooses && user.patients.len() > 1 {
                body.push_str("<label>patient <select name=\"patient\">");
                for patient in &user.patients {
                    let patient = escaped(patient);
                    let _infallible =
                        write!(body, "<option value=\"{patient}\">{patient}</option>");
                }
                body.push_str("</select></label> ");
            }
            let name = escaped(&user.name);
            let _infallible = write!(
                body,
                "<button type=\"submit\" name=\"decision\" value=\"allow\">{name}</button>"
            );
        });
    }
    form(request, &mut body, |body| {
        body.push_str(
            "<button type=\"submit\" name=\"decision\" value=\"deny\">nobody: refuse</button>",
        );
    });
    Answered::page(200, document(&body))
}

/// Tells a person what keeps them from going on, where no app can be told.
pub(super) fn refusal(why: OAuthError) -> Answered {
    Answered::page(400, document(&format!("<p>{}: {}</p>", why.code(), escaped(&why.to_string()))))
}

fn document(body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <title>Development login</title></head><body><h1>Development login</h1>\
         <p><strong>{}</strong></p>{body}</body></html>\n",
        escaped(WARNING),
    )
}

/// A form that brings everything that was asked for along.
fn form(request: &Request<'_>, body: &mut String, inside: impl FnOnce(&mut String)) {
    body.push_str("<form method=\"post\" action=\"authorize\">");
    let mut say = |name: &str, value: &str| hidden(name, value, body);
    say("response_type", "code");
    say("client_id", &request.client.id);
    say("redirect_uri", request.redirect_uri);
    say("scope", request.scope);
    say("state", request.state);
    say("aud", request.audience);
    say("code_challenge", request.challenge);
    say("code_challenge_method", "S256");
    if let Some(nonce) = request.nonce {
        say("nonce", nonce);
    }
    if let Some(launch) = request.launch {
        say("launch", &launch.name);
    }
    inside(body);
    body.push_str("</form>");
}

fn hidden(name: &str, value: &str, body: &mut String) {
    let value = escaped(value);
    let _infallible = write!(body, "<input type=\"hidden\" name=\"{name}\" value=\"{value}\">");
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for each in text.chars() {
        match each {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}
