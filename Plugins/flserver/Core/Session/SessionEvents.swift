/// A piece of work that one trainer was asked for. Its number is never given again, so an answer to it counts once.
struct Ticket: Equatable {
  var number: UInt64
  var trainer: String
  /// The model that it was given.
  var version: Int
  /// Its tier, where tiers have rounds of their own.
  var group = 0
  /// By the session's clock.
  var deadline: Int64
}

/// What a trainer has learned, as it is on the disk.
struct Update: Equatable {
  var ticket: UInt64
  var trainer: String
  /// Of the model that it began with.
  var version: Int
  var group = 0
  /// The object with its numbers.
  var object: String
  /// Where in it they begin.
  var start = 0
  var samples: Int
  var loss: Double?
}

/// What has happened.
enum SessionEvent: Equatable {
  /// Time has passed, or who is there has changed.
  case candidates([Candidate])
  /// The update of an open ticket is on the disk.
  case stored(Update)
  case failed(ticket: UInt64, reason: String)
  /// The model of the next version is on the disk, and the updates that it was made of are not needed any more.
  case stepped(version: Int)
  /// The updates of a step cannot be made one, so they are thrown away.
  case stepFailed(String)
  case validated(version: Int, accuracy: Double?, loss: Double?)
  /// Whom a role has chosen for the round of a group; nil: it could not.
  case chosen(group: Int, [String]?)
  case stop(String)
}

/// What is to be done.
enum SessionEffect: Equatable {
  /// Ask the role that chooses who trains in the round of a group.
  case choose(group: Int, [Candidate], round: Int)
  case train(Ticket)
  /// Its answer is not waited for any more.
  case cancel(Ticket, String)
  /// Make the model of the next version of these, in the order of their tickets.
  case step(Step)
  case validate(version: Int)
  /// They are in no model, and will be in none.
  case discard([Update])
  case end(SessionEnd)
}

struct Step: Equatable {
  /// That it makes.
  var version: Int
  var updates: [Update]
}

enum SessionEnd: Equatable {
  case finished
  case reached(accuracy: Double)
  case stopped(String)
  case failed(String)
}
