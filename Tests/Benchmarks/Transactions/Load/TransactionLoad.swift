import Glibc
import NodeKit

/// Proposes transactions without a pause, and measures how long they take.
@main
final class TransactionLoad: Role {
  static let about = About("transaction-load", version: "1.0.0", "Proposes transactions without a pause.")
  static let needs: [Need] = [.roles, .timer]
  static let methods = [
    Method("run(concurrency,seconds)", "So many at a time: commits, aborts, and microseconds that one took.", run)
  ]

  private let context: RoleContext

  init(_ context: RoleContext, _ config: NoConfig) { self.context = context }

  func run(_ concurrency: Int, _ seconds: Double, _ reply: Reply<JSON>) {
    let run = Run(context, concurrency, .nanoseconds(Int64(seconds * 1e9)), reply)
    for worker in 0..<concurrency { run.propose(worker) }
  }
}

private final class Run {
  private let context: RoleContext
  private let begin: Moment
  private let end: Moment
  private let reply: Reply<JSON>
  private var open: Int
  private var committed = 0
  private var aborted = 0
  private var took: [Int64] = []

  init(_ context: RoleContext, _ concurrency: Int, _ length: Duration, _ reply: Reply<JSON>) {
    (self.context, open, self.reply) = (context, concurrency, reply)
    begin = context.now
    end = begin.advanced(by: length)
  }

  /// Each worker has a key of its own, which it changes on each node.
  func propose(_ worker: Int) {
    let began = context.now
    guard began < end else { return finished() }
    let proposal = PassedJSON(
      text: "{\"changes\":[{\"resource\":\"ledger\",\"key\":\"worker-\(worker)\",\"change\":{\"set\":\(committed)}}]}")
    do {
      try context.roles.call("coordinator", "propose", proposal) { [self] (answer: Result<PassedJSON, RoleError>) in
        if case .success(let answer) = answer, strstr(answer.text, "\"COMMIT\"") != nil {
          committed += 1
          took.append(context.now.nanoseconds - began.nanoseconds)
        } else {
          aborted += 1
        }
        propose(worker)
      }
    } catch {
      aborted += 1
      finished()
    }
  }

  private func finished() {
    open -= 1
    guard open == 0 else { return }
    let seconds = Double(context.now.nanoseconds - begin.nanoseconds) / 1e9
    took.sort()
    func percentile(_ share: Double) -> JSON {
      took.isEmpty ? 0 : .double(Double(took[Int(Double(took.count - 1) * share)]) / 1000)
    }
    reply.send([
      "per_second": .double(Double(committed) / seconds), "aborted": JSON(aborted), "p50_us": percentile(0.5),
      "p99_us": percentile(0.99),
    ])
  }
}
