//! The page at `/`: which pipelines there are, and how they are.

use std::fmt::{self, Display, Write};

use super::probes::{PipelineReport, Readiness};

/// Nothing from elsewhere, no scripts: only this page's own style.
pub(super) const CONTENT_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
    <meta name=\"viewport\" content=\"width=device-width\">\n<meta http-equiv=\"refresh\" content=\"5\">\n\
    <title>datahub-relay</title>\n<style>\
    body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}\
    table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.4rem .8rem;\
    border-bottom:1px solid #ccc}.ready{color:#067d3a}.missing{color:#b3261e}</style>\n";

/// The page for what is known now.
pub(super) fn render(readiness: &Readiness) -> String {
    let mut html = String::from(HEAD);
    // Writing to a string cannot fail.
    let _ = write_body(&mut html, readiness);
    html
}

fn write_body(html: &mut String, readiness: &Readiness) -> fmt::Result {
    writeln!(html, "<h1>datahub-relay {}</h1>", env!("CARGO_PKG_VERSION"))?;
    writeln!(
        html,
        "<p>{} · <a href=\"/metrics\">metrics</a> · <a href=\"/livez\">livez</a> · <a href=\"/readyz\">readyz</a></p>",
        if readiness.ready { "All pipelines are ready." } else { "Not everything is ready." }
    )?;
    html.push_str("<table>\n<tr><th>Pipeline</th><th>State</th><th>Missing</th></tr>\n");
    for report in &readiness.pipelines {
        write_row(html, report)?;
    }
    html.push_str("</table>\n");
    Ok(())
}

fn write_row(html: &mut String, report: &PipelineReport) -> fmt::Result {
    let class = if report.ready { "ready" } else { "missing" };
    write!(html, "<tr><td>{}</td>", Escaped(&report.name))?;
    write!(html, "<td class=\"{class}\">{}</td><td>", report.state.name())?;
    if let Some(failure) = &report.failure {
        write!(html, "{}", Escaped(failure))?;
    }
    if let Some(stuck) = &report.stuck {
        write!(html, "{}<br>", Escaped(stuck))?;
    }
    if let Some(slow) = &report.slow {
        write!(html, "{}<br>", Escaped(slow))?;
    }
    for (index, (condition, why)) in report.missing.iter().enumerate() {
        let separator = if index == 0 { "" } else { "<br>" };
        write!(html, "{separator}{}: {}", condition.as_str(), Escaped(why))?;
    }
    for warning in &report.warnings {
        write!(html, "<br>{}", Escaped(warning))?;
    }
    html.push_str("</td></tr>\n");
    Ok(())
}

/// Text that names of pipelines and answers of other systems end up in.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}
