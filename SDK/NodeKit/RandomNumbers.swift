internal import CNodeABI

/// Random numbers that a simulation can repeat; good for jitter, sampling and ids. It is a generator, so
/// `Int.random(in: 1...6, using: &numbers)` and `shuffle(using:)` take it too.
public struct RandomNumbers: RandomNumberGenerator {
  let link: HostLink

  public func next() -> UInt64 {
    do {
      let service = try link.randomService
      return service.pointee.next(service.pointee.ctx)
    } catch {
      // A constant would be worse than a run that cannot be repeated.
      link.report(error, from: "a random number")
      var system = SystemRandomNumberGenerator()
      return system.next()
    }
  }

  public func int(in range: ClosedRange<Int>) -> Int {
    var numbers = self
    return Int.random(in: range, using: &numbers)
  }

  /// From 0 up to but not including 1.
  public func fraction() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Bytes fit for keys.
  public func bytes(_ count: Int) throws -> [UInt8] {
    let service = try link.randomService
    var status = NH_OK
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { room, filled in
      room.initialize(repeating: 0)
      status = service.pointee.fill(service.pointee.ctx, nh_buffer(ptr: room.baseAddress, len: UInt64(count)))
      filled = count
    }
    guard status == NH_OK else { throw RoleError(Status(rawValue: status), "the host gives no random bytes now") }
    return bytes
  }
}
