//! Plots of what users did.

use super::super::chart::Chart;
use super::super::scale::Scale;
use super::{millis, over_time};
use crate::measure::Visit;
use crate::report::Run;
use crate::show;

/// A dot for each page; failed ones are crosses.
pub(super) fn pages(run: &Run<'_>) -> Chart {
    let pages = &run.measures.pages;
    let took = |page: &Visit| millis(page.ended.saturating_sub(page.started));
    let most = pages.iter().map(took).max().unwrap_or(1_000);
    let least = pages.iter().map(took).min().unwrap_or(1);
    let failed = pages.iter().filter(|page| page.failure.is_some()).count();
    let about = format!("{} fetches, {failed} of them failed; from asking to the last byte, logarithmic", pages.len());
    let mut chart = over_time(run, "Page times", about, Scale::logarithmic(least, most));
    if let Some(median) = run.scenario.expect.page_median_ms {
        let shown = show::time(std::time::Duration::from_millis(median));
        chart.bound(median, &format!("expected median in calm: {shown}"));
    }
    for page in pages {
        let place = (millis(page.started), took(page));
        let time = show::time(page.ended.saturating_sub(page.started));
        let (begun, bytes) = (show::time(page.started), show::bytes(page.bytes));
        match &page.failure {
            None => {
                chart.mark("dot", "c1 faint", place);
                chart.title_at(place, &format!("begun at {begun}, {bytes} in {time}"));
            }
            Some(failure) => {
                chart.mark("cross", "bad", place);
                chart.title_at(place, &format!("begun at {begun}, failed after {time}: {failure}"));
            }
        }
    }
    chart.legend("area solid c1", "came");
    if failed > 0 {
        chart.legend("area solid bad", "failed");
    }
    chart
}
