internal import CTraining
internal import NodeValues

/// A file of training data, in memory while it is looked at. It blocks: for threads of the pool.
enum TrainingFile {
  static func withBytes<Answer>(
    of path: String, limit: UInt64, _ body: (UnsafeRawBufferPointer) -> Answer
  ) throws(RoleError) -> Answer {
    var bytes = training_bytes(), error = training_error()
    guard training_read_file(path, limit, &bytes, &error) == 0 else {
      throw RoleError(.notFound, "\(error.words); give the data set's path", at: path)
    }
    defer { training_release(bytes) }
    return body(UnsafeRawBufferPointer(start: bytes.start, count: Int(bytes.count)))
  }
}
