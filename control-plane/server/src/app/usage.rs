//! What accounts used.

use time::{Duration, OffsetDateTime};
use tollway_api::{self as api, FieldError, Problem, ProblemCode};
use tollway_authz::Action;
use tollway_model::UsageTotals;

use super::{AppError, OpContext};

/// Longest time that one call may ask about.
const SPAN_MAX: Duration = Duration::days(31);
const SPAN_DEFAULT: Duration = Duration::hours(24);
const HOUR_SECONDS: i64 = 3600;

/// Reads what an account used, by hour; also when it was deleted, because the last invoice comes after that.
pub async fn read(
    op: &OpContext,
    account: &str,
    from: Option<OffsetDateTime>,
    to: Option<OffsetDateTime>,
) -> Result<api::AccountUsage, AppError> {
    let (scope, account) = op.authorize_account_in_ledger(Action::UsageRead, account).await?;
    let (from, to) = span(op.now(), from, to)?;
    let mut tx = op.app().datastore().begin(&scope).await?;
    let account = tx
        .account_id_in_ledger(&account)
        .await?
        .ok_or(ProblemCode::NotFound)?;
    let hours = tx.usage_hours(account, from, to).await?;
    let total = hours
        .iter()
        .fold(UsageTotals::default(), |total, hour| total.plus(&hour.usage));
    Ok(api::AccountUsage {
        from,
        to,
        hours: hours.into_iter().map(api::UsageHour::from).collect(),
        total: total.into(),
    })
}

/// The whole hours that a call asks about.
fn span(
    now: OffsetDateTime,
    from: Option<OffsetDateTime>,
    to: Option<OffsetDateTime>,
) -> Result<(OffsetDateTime, OffsetDateTime), AppError> {
    let invalid = |field: &str, detail: &str| {
        let error = FieldError::new(field, "out_of_range", detail);
        Problem::new(ProblemCode::InvalidQuery)
            .with_detail(format!("{field}: {detail}"))
            .with_error(error)
    };
    let far = "must be a time that RFC 3339 can write";
    // The end of the current hour: what is counted in it belongs to the answer.
    let to = match to {
        Some(to) => hour_up(to).ok_or_else(|| invalid("to", far))?,
        None => hour_down(now).ok_or_else(|| invalid("to", far))? + Duration::HOUR,
    };
    let from = match from {
        Some(from) => hour_down(from),
        None => to.checked_sub(SPAN_DEFAULT),
    };
    let from = from.ok_or_else(|| invalid("from", far))?;
    if from >= to {
        return Err(invalid("from", "must be before `to`").into());
    }
    if to - from > SPAN_MAX {
        return Err(invalid("to", "must be at most 31 days after `from`").into());
    }
    Ok((from, to))
}

fn hour_down(time: OffsetDateTime) -> Option<OffsetDateTime> {
    let seconds = time.unix_timestamp().div_euclid(HOUR_SECONDS) * HOUR_SECONDS;
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .filter(|time| (0..=9999).contains(&time.year()))
}

fn hour_up(time: OffsetDateTime) -> Option<OffsetDateTime> {
    let down = hour_down(time)?;
    if down == time {
        Some(down)
    } else {
        down.checked_add(Duration::HOUR).and_then(hour_down)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-21 10:20:30 UTC);

    #[test]
    fn without_times_it_is_the_day_up_to_the_end_of_this_hour() {
        let (from, to) = span(NOW, None, None).unwrap();
        assert_eq!(
            (from, to),
            (datetime!(2026-11-20 11:00 UTC), datetime!(2026-11-21 11:00 UTC))
        );
    }

    #[test]
    fn times_are_rounded_to_the_hours_that_hold_them() {
        let asked = (
            Some(datetime!(2026-11-21 08:59:59 UTC)),
            Some(datetime!(2026-11-21 09:00:01 UTC)),
        );
        let (from, to) = span(NOW, asked.0, asked.1).unwrap();
        assert_eq!(
            (from, to),
            (datetime!(2026-11-21 08:00 UTC), datetime!(2026-11-21 10:00 UTC))
        );
    }

    #[test]
    fn spans_that_are_empty_backwards_or_too_long_are_refused() {
        let at = datetime!(2026-11-21 08:00 UTC);
        assert!(span(NOW, Some(at), Some(at)).is_err());
        assert!(span(NOW, Some(at + Duration::DAY), Some(at)).is_err());
        assert!(span(NOW, Some(at - Duration::days(32)), Some(at)).is_err());
        assert!(span(NOW, None, Some(datetime!(9999-12-31 23:30 UTC))).is_err());
        assert!(span(NOW, Some(datetime!(0000-01-01 00:00 UTC)), None).is_err());
    }
}
