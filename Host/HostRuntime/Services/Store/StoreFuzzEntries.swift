/// The bytes are a journal, and the operations of a record that is otherwise right. Must never trap; that a change is
/// of bytes that are not there, or goes back in time, is made a trap.
package func fuzzStoreJournal(_ bytes: [UInt8]) {
  _ = try? StoreJournal.changes(in: bytes, after: 1)
  let record = StoreRecord.sealed(bytes, salt: 1, after: 1)
  guard let changes = try? StoreRecord.changes(in: record, 1, after: 1) else { return }
  var last: UInt64 = 2
  for change in changes {
    precondition(change.revision >= last, "a commit goes back in time")
    precondition(change.entry.map { $0.key.count + $0.value.count <= bytes.count } ?? true, "more than there is")
    last = change.revision
  }
}
