internal import NodeKit

/// Feeds any bytes through all that servers and trainers read of one another; what is read is written and read again.
public func fuzzTrainerWire(_ bytes: [UInt8]) {
  if let description = try? TrainerDescription(bytes) {
    precondition((try? TrainerDescription(description.bytes)) == description, "a description is not read as written")
  }
  if let request = try? TrainingRequest(bytes) {
    precondition((try? TrainingRequest(request.bytes)) == request, "a request is not read as written")
  }
  if let answer = try? TrainingAnswer(bytes) { _ = try? TrainingAnswer(answer.bytes) }
  _ = try? ModelQuality(bytes)
}
