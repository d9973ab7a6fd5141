import HostCore
import HostRuntime
import ProtoFields
import ReplicatedLog
import TrainerCore

/// What libFuzzer's `main` tries. Set once, before the first input.
nonisolated(unsafe) private var target: ([UInt8]) -> Void = { _ in }

/// Takes the target's name, the first argument, out of the arguments; the rest is for libFuzzer.
@c(LLVMFuzzerInitialize)
public func initialize(
  _ count: UnsafeMutablePointer<Int32>, _ words: UnsafeMutablePointer<UnsafeMutablePointer<UnsafePointer<CChar>?>>
) -> Int32 {
  let name = count.pointee > 1 ? words.pointee[1].map { String(cString: $0) } : nil
  switch name {
  case "http": target = fuzzControlHTTP
  case "server": target = fuzzHTTPServer
  case "client": target = fuzzHTTPClient
  case "call": target = fuzzCallArguments
  case "plugin": target = fuzzPluginFile
  case "json": target = fuzzJSON
  case "signature": target = fuzzSignature
  case "schema": target = fuzzSchema
  case "blob": target = fuzzBlobFile
  case "peers": target = fuzzPeerLink
  case "rpc": target = fuzzRpc
  case "log": target = fuzzReplicatedLog
  case "proto": target = fuzzProtoFields
  case "data": target = fuzzDataSets
  case "manifest": target = { bytes in bytes.withUnsafeBytes(fuzzManifest) }
  default:
    fatalError(
      "usage: fuzz http|server|client|call|plugin|json|signature|schema|manifest|blob|peers|rpc|log|proto|data "
        + "[ARGUMENT OF LIBFUZZER...]")
  }
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
