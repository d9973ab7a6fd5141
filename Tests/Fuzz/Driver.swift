import CanaryCore
import CoordinatorCore
import ElectorCore
import FlotillaCore
import HostCore
import HostRuntime
import ImagesCore
import LearningCore
import ProtoFields
import ReplicatedLog
import SecureSum
import Tensors
import TrainerCore
import TrainerWire
import Training

/// What there is to fuzz, by name. Tests/Fuzz/run asks for the names.
private let targets: KeyValuePairs<String, @Sendable ([UInt8]) -> Void> = [
  "http": fuzzControlHTTP, "server": fuzzHTTPServer, "client": fuzzHTTPClient, "call": fuzzCallArguments,
  "plugin": fuzzPluginFile, "json": fuzzJSON, "signature": fuzzSignature, "schema": fuzzSchema,
  "manifest": { bytes in bytes.withUnsafeBytes(fuzzManifest) }, "blob": fuzzBlobFile, "commits": fuzzStoreJournal,
  "peers": fuzzPeerLink,
  "rpc": fuzzRpc, "log": fuzzReplicatedLog, "proto": fuzzProtoFields, "tensors": fuzzTensors, "elector": fuzzElector,
  "images": fuzzImages, "transactions": fuzzTransactions, "routing": fuzzRouting,
  "data": fuzzDataSets, "flotilla": fuzzFlotilla, "training": fuzzTrainingOrder,
  "secure-sum": fuzzSecureSum, "gossip": fuzzGossip, "trainers": fuzzTrainerWire, "sessions": fuzzLearning,
]

/// What libFuzzer's `main` tries. Set once, before the first input.
nonisolated(unsafe) private var target: ([UInt8]) -> Void = { _ in }

/// Takes the target's name, the first argument, out of the arguments; the rest is for libFuzzer.
@c(LLVMFuzzerInitialize)
public func initialize(
  _ count: UnsafeMutablePointer<Int32>, _ words: UnsafeMutablePointer<UnsafeMutablePointer<UnsafePointer<CChar>?>>
) -> Int32 {
  let name = count.pointee > 1 ? words.pointee[1].map { String(cString: $0) } : nil
  guard let known = targets.first(where: { $0.key == name }) else {
    fatalError("usage: fuzz \(targets.map(\.key).joined(separator: "|")) [ARGUMENT OF LIBFUZZER...]")
  }
  target = known.value
  words.pointee[1] = words.pointee[0]
  words.pointee += 1
  count.pointee -= 1
  return 0
}

@c(LLVMFuzzerTestOneInput)
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
  target(Array(UnsafeBufferPointer(start: start, count: count)))
  return 0
}
