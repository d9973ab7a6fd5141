import NodeKit

/// Chooses trainers and combines their updates for `flserver`, in a way that tests can tell from others: the trainer
/// with the greatest name is left out, and the model is the mean of the updates without regard to samples.
@main
final class Strategy: Role {
  static let about = About("strategy", version: "1.0.0", "Chooses trainers, and combines what they bring.")
  static let methods = [
    Method("choose(request)", "Ids of those who train in a round.", choose),
    Method("combine(about,updates,model)", "The next model's block of floats.", combine),
  ]

  init(_ context: RoleContext, _ config: NoConfig) {}

  func choose(_ request: JSON) -> JSON {
    let all = (request["candidates"]?.array ?? []).compactMap { $0["id"]?.string }.sorted()
    return .array(all.dropLast(all.count > 1 ? 1 : 0).map { .string($0) })
  }

  func combine(_ about: JSON, _ updates: [UInt8], _ model: [UInt8]) throws -> [UInt8] {
    let count = model.count / 4
    guard count > 0, model.count % 4 == 0, !updates.isEmpty, updates.count % model.count == 0 else {
      throw RoleError(.invalidArgument, "updates of \(updates.count) bytes of a model of \(model.count)", at: "updates")
    }
    let rows = updates.count / model.count
    var made = model
    updates.withUnsafeBytes { updates in
      made.withUnsafeMutableBytes { made in
        for place in 0..<count {
          let sum = (0..<rows).reduce(Float(0)) {
            $0 + updates.loadUnaligned(fromByteOffset: 4 * ($1 * count + place), as: Float.self)
          }
          made.storeBytes(of: sum / Float(rows), toByteOffset: 4 * place, as: Float.self)
        }
      }
    }
    return made
  }
}
