//! The token that begins an epoch of a cell.

use tollway_claims::{EpochClaims, Signer};
use tollway_model::CellId;

use super::CompileError;

/// Signs that this epoch of the cell has begun; `operator` is the operator's signing key, `now` is in
/// seconds since 1970.
///
/// Nodes take documents and revisions that run backwards once they see it, so it is for new cells, and for
/// when a node holds what the database does not know.
pub fn epoch_statement(
    cell: CellId,
    epoch: u64,
    operator: &Signer,
    now: i64,
) -> Result<String, CompileError> {
    let claims = EpochClaims {
        issuer: operator.public(),
        cell: cell.to_string(),
        epoch,
        issued_at: now,
    };
    claims.encode(operator).map_err(|source| CompileError::Sign {
        document: "statement of the epoch",
        source,
    })
}

#[cfg(test)]
mod tests {
    use tollway_claims::{KeyKind, OperatorClaims, Trust};

    use super::*;

    #[test]
    fn a_node_of_the_cell_that_pinned_the_operator_takes_the_epoch() {
        let operator = Signer::generate(KeyKind::Operator, [1; 32]);
        let claims = OperatorClaims::new(operator.public(), "demo", 1_000);
        let trust = Trust::from_operator_jwt(&claims.encode(&operator).unwrap()).unwrap();
        let cell = CellId::new(1, [1; 10]);
        let token = epoch_statement(cell, 7, &operator, 2_000).unwrap();
        let read = trust.verify_epoch(&token, &cell.to_string(), 7, 2_001).unwrap();
        assert_eq!(read.issued_at, 2_000);
        let other = CellId::new(1, [2; 10]).to_string();
        assert!(trust.verify_epoch(&token, &other, 7, 2_001).is_err());
    }
}
