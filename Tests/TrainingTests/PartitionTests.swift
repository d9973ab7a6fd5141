import NodeKit
import Testing

@testable import Training

@Suite struct PartitionTests {
  private static let labels = (0..<2_000).map { Int32($0 * 7 % 10) }

  /// Each sample belongs to one client.
  private func expectWhole(_ shares: [[UInt32]], _ count: Int) {
    #expect(shares.joined().sorted() == Array(0..<UInt32(count)))
    #expect(shares.allSatisfy { $0 == $0.sorted() })
  }

  @Test func equalSharesAreEqual() throws {
    let shares = try Partition.equal(2_000, among: 7, seed: 1)
    expectWhole(shares, 2_000)
    #expect(shares.allSatisfy { (285...286).contains($0.count) })
    #expect(try Partition.equal(2_000, among: 7, seed: 1) == shares)
    #expect(try Partition.equal(2_000, among: 7, seed: 2) != shares)
    expectWhole(try Partition.equal(3, among: 5, seed: 1), 3)
  }

  /// The part of a client's most frequent class, over all clients.
  private func skew(_ shares: [[UInt32]]) -> Double {
    let parts = shares.filter { !$0.isEmpty }.map { share in
      let counts = share.reduce(into: [Int32: Int]()) { $0[Self.labels[Int($1)], default: 0] += 1 }
      return Double(counts.values.max()!) / Double(share.count)
    }
    return parts.reduce(0, +) / Double(parts.count)
  }

  @Test func alphaSaysHowUnequalClientsAre() throws {
    let skews = try [0.05, 0.5, 5, 1_000].map { alpha in
      let shares = try Partition.dirichlet(Self.labels, among: 10, alpha: alpha, seed: 3)
      expectWhole(shares, Self.labels.count)
      #expect(shares.allSatisfy { !$0.isEmpty })
      return skew(shares)
    }
    #expect(skews == skews.sorted(by: >))
    #expect(skews[0] > 0.6 && skews[3] < 0.2)
  }

  @Test func aSeedRepeatsAndNobodyGetsTooFew() throws {
    let shares = try Partition.dirichlet(Self.labels, among: 20, alpha: 0.05, least: 30, seed: 3)
    expectWhole(shares, Self.labels.count)
    #expect(shares.allSatisfy { $0.count >= 30 })
    #expect(try Partition.dirichlet(Self.labels, among: 20, alpha: 0.05, least: 30, seed: 3) == shares)
  }

  /// Gamma's mean and variance are both its shape, so a client's share of a class varies as Dirichlet's does.
  @Test(arguments: [0.3, 2.0]) func sharesVaryAsTheDistributionDoes(_ alpha: Double) throws {
    let labels = [Int32](repeating: 0, count: 1_000), clients = 5.0
    let parts = try (0..<400).map { seed in
      Double(try Partition.dirichlet(labels, among: 5, alpha: alpha, least: 0, seed: UInt64(seed))[0].count) / 1_000
    }
    let mean = parts.reduce(0, +) / 400
    let variance = parts.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 400
    let expected = (1 / clients) * (1 - 1 / clients) / (clients * alpha + 1)
    #expect(abs(mean - 0.2) < 0.04)
    #expect(abs(variance / expected - 1) < 0.3)
  }

  @Test func whatCannotBeSharedIsRefused() {
    #expect(throws: RoleError.self) { try Partition.equal(10, among: 0, seed: 1) }
    #expect(throws: RoleError.self) { try Partition.dirichlet(Self.labels, among: 3, alpha: 0, seed: 1) }
    #expect(throws: RoleError.self) { try Partition.dirichlet(Self.labels, among: 3, alpha: .nan, seed: 1) }
    #expect(throws: RoleError.self) { try Partition.dirichlet(Self.labels, among: 3, alpha: 1, least: 667, seed: 1) }
    #expect(throws: RoleError.self) { try Partition.dirichlet([0], among: 3, alpha: 1, seed: 1) }
  }
}
