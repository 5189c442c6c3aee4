//! How a mutation happens: one transaction that holds the verb's rows, its events, what it touched,
//! its generation and, for an idempotent call, the answer itself.

use super::idempotency::Opened;
use super::{Call, Context, IdempotentCall, Lifecycle, Needs, Refusal, Rights, StoredAnswer, Verb, rights, shown};
use crate::domain::change::{Change, Generation};
use crate::domain::usage::Reported;
use crate::store::{StoreError, Tx};

/// A mutation that happened, now or at an earlier call with the same `Idempotency-Key`.
pub struct Done {
    /// What to answer.
    pub answer: StoredAnswer,
    /// The first generation that carries it.
    pub generation: Generation,
    /// Whether it had happened before.
    pub replayed: bool,
}

impl Lifecycle {
    /// Applies `verb` and commits, keeping the answer that `render` makes of it when the call is
    /// idempotent. A call that happened before gives its first answer and has no effect.
    ///
    /// `render` runs before the commit: an answer that can't be kept refuses the change.
    pub async fn run<V: Verb>(
        &self,
        context: &Context,
        verb: V,
        idempotent: Option<&IdempotentCall>,
        render: impl FnOnce(V::Answer, Generation) -> StoredAnswer + Send,
    ) -> Result<Done, Refusal> {
        let _claim = match idempotent {
            Some(call) => Some(self.running.claim(*call.id()).ok_or(Refusal::IdempotencyRunning)?),
            None => None,
        };
        let reported = self.reported(context.now).await?;
        let mut tx = self.begin(verb.is_bulk()).await?;
        let kept = match idempotent {
            Some(call) => call.kept(&mut *tx, context.now).await?.map(|kept| (call, kept)),
            None => None,
        };
        // An answer may hold a secret: who lost the right since is not told it again.
        let (mut tx, rights) = admitted(tx, context, verb.needs()).await?;
        if let Some((call, kept)) = kept {
            let Opened { answer, generation, shown } = call.open(&self.vault, &kept)?;
            if let Some(shown) = shown
                && let Err(refusal) = shown::again(&mut *tx, &rights, verb.needs(), shown).await
            {
                tx.abandon().await?;
                return Err(refusal);
            }
            if verb.is_told_again() {
                let (tx, _, change) = self.apply(tx, context, (&rights, reported), verb).await?;
                tx.commit(change, None).await?;
            }
            return Ok(Done { answer, generation, replayed: true });
        }
        let (tx, answer, change) = self.apply(tx, context, (&rights, reported), verb).await?;
        let generation = change.generation();
        let shown = V::shows(&answer);
        let answer = render(answer, generation);
        let kept = match idempotent {
            Some(call) => {
                let opened = Opened { answer: answer.clone(), generation, shown };
                Some(call.seal(&self.vault, context, opened)?)
            }
            None => None,
        };
        let generation = tx.commit(change, kept).await?;
        Ok(Done { answer, generation, replayed: false })
    }

    /// Applies `verb` and commits, for callers that need no stored answer.
    pub async fn execute<V: Verb>(&self, context: &Context, verb: V) -> Result<(V::Answer, Generation), Refusal> {
        let reported = self.reported(context.now).await?;
        let tx = self.begin(verb.is_bulk()).await?;
        let (tx, rights) = admitted(tx, context, verb.needs()).await?;
        let (tx, answer, change) = self.apply(tx, context, (&rights, reported), verb).await?;
        let generation = tx.commit(change, None).await?;
        Ok((answer, generation))
    }

    /// Applies `verb` and undoes it: what it would answer, or why it would be refused. Nothing happens,
    /// no generation is taken and nothing is told to the audit log.
    pub async fn preview<V: Verb>(&self, context: &Context, verb: V) -> Result<V::Answer, Refusal> {
        let reported = self.reported(context.now).await?;
        let tx = self.begin(verb.is_bulk()).await?;
        let (tx, rights) = admitted(tx, context, verb.needs()).await?;
        let (tx, answer, _) = self.apply(tx, context, (&rights, reported), verb).await?;
        tx.abandon().await?;
        Ok(answer)
    }

    /// Applies `verb` and commits where `happened` says so of its answer; otherwise undoes it, so that what
    /// changed nothing leaves nothing.
    pub async fn execute_if<V: Verb>(
        &self,
        context: &Context,
        verb: V,
        happened: impl FnOnce(&V::Answer) -> bool + Send,
    ) -> Result<(V::Answer, Option<Generation>), Refusal> {
        let reported = self.reported(context.now).await?;
        let tx = self.begin(verb.is_bulk()).await?;
        let (tx, rights) = admitted(tx, context, verb.needs()).await?;
        let (tx, answer, change) = self.apply(tx, context, (&rights, reported), verb).await?;
        if !happened(&answer) {
            tx.abandon().await?;
            return Ok((answer, None));
        }
        let generation = tx.commit(change, None).await?;
        Ok((answer, Some(generation)))
    }

    async fn begin(&self, bulk: bool) -> Result<Box<dyn Tx>, StoreError> {
        if bulk { self.store.begin_apart().await } else { self.store.begin().await }
    }

    async fn apply<V: Verb>(
        &self,
        mut tx: Box<dyn Tx>,
        context: &Context,
        (rights, reported): (&Rights, Reported),
        verb: V,
    ) -> Result<(Box<dyn Tx>, V::Answer, Change), Refusal> {
        match verb.apply(&mut *tx, Call { context, vault: &self.vault, rights, reported }).await {
            Ok((answer, change)) => Ok((tx, answer, change)),
            Err(refusal) => {
                tx.abandon().await?;
                Err(refusal)
            }
        }
    }
}

/// The transaction, and the rights that whoever acts has in it: enough for `needs`.
async fn admitted(mut tx: Box<dyn Tx>, context: &Context, needs: Needs) -> Result<(Box<dyn Tx>, Rights), Refusal> {
    let rights = rights::within(&mut *tx, &context.actor, context.now).await;
    match rights.and_then(|rights| rights.admit(needs).map(|()| rights)) {
        Ok(rights) => Ok((tx, rights)),
        Err(refusal) => {
            tx.abandon().await?;
            Err(refusal)
        }
    }
}
