/// What the coordinators of a cluster's nodes say to one another.
enum CommitMessage: Sendable, Equatable {
  /// A link came up, or the role began: which life of it this is, and who decides as it was told to.
  case hello(run: UInt64, deciders: UInt64, wantsAnswer: Bool)

  // MARK: Who decides

  /// "Take nothing of a lower ballot any more, and tell me what you have recorded."
  case promise(Ballot)
  case promised(Ballot, baseline: Ballot, records: [Decision])
  /// "This, and nothing else, was recorded before my ballot."
  case base(Ballot, records: [Decision])
  case based(Ballot)
  case record(Ballot, [Decision])
  case recorded(Ballot, ids: [String])
  /// All who had to learn of these have.
  case forget(Ballot, ids: [String])
  /// "I know a higher ballot", which stands here.
  case refused(Ballot)
  /// "I decide now: ask me."
  case ready(Ballot)

  // MARK: Transactions

  case prepare(Transaction)
  case vote(Ballot, id: String, Vote)
  /// To participants the coordinator's; from a participant that which it knows of before, or has decided alone.
  case outcome([Decision])
  case done(ids: [String])
  /// "I am prepared and know no outcome", to the coordinator.
  case inquire(id: String, Ballot)
  /// The same to another participant; `run` is the life of it that was asked to prepare.
  case ask(id: String, Ballot, run: UInt64)
  /// "I have not voted and never shall."
  case refuses(id: String)

  // MARK: Proposals

  case propose(number: UInt64, patience: UInt32, proposal: String)
  case proposed(number: UInt64, Answer)
  case lookUp(number: UInt64, id: String)
  case found(number: UInt64, Finding)
}

/// What the proposer gets.
enum Answer: Sendable, Equatable {
  case decided(Decision, applyTook: UInt32?)
  /// `mayTryAgain`: nothing was begun.
  case failed(status: Int32, message: String, mayTryAgain: Bool)
}

/// What a node knows of a transaction.
struct Finding: Sendable, Equatable {
  enum State: UInt8, Sendable {
    case unknown = 0, refused, preparing, prepared, decided

  }
  var state = State.unknown
  var decision: Decision?
  /// A person has decided here, otherwise than the others.
  var isDamaged = false
}
