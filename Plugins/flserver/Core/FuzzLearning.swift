internal import NodeKit

/// What the fuzzer tries: whatever a user sends as a session, and another server as a message. What is read is written
/// and read again.
package func fuzzLearning(_ bytes: [UInt8]) {
  guard let json = try? JSON(parsing: String(decoding: bytes, as: UTF8.self)) else { return }
  if let (term, message) = try? SuccessionMessage.read(json) {
    let written = message.json(term: term), again = try? SuccessionMessage.read(written)
    precondition(again.map { $1.json(term: $0) } == written, "a message of a server is not read as written")
    look(at: message)
  }
  if let document = try? SessionDocument(reading: json) {
    let written = document.setting ?? .null
    precondition((try? SessionDocument(reading: written))?.setting == written, "a session is not read as written")
    _ = try? document.plan()
    _ = try? document.aggregation()
  }
}

private func look(at message: SuccessionMessage) {
  guard case .put(_, let testament) = message else { return }
  let record = testament.record
  precondition(record.objects.allSatisfy { record.uses($0) } && record.model.bytes >= 0)
}
