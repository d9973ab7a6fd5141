import NodeKit
import Testing

@testable import LearningCore

@Suite struct PrivacyTests {
  private func document(clip: Double = 1, noise: Double = 0.3, aggregator: String = "fedavg") -> SessionDocument {
    var document = SessionDocument()
    document.clientTrainingConfig.clip = clip
    document.clientTrainingConfig.noiseMultiplier = noise
    document.sessionConfig.aggregator = aggregator
    return document
  }

  @Test func theLedgerGoesOnAfterARestart() throws {
    var ledger = try #require(PrivacyLedger(document()))
    #expect(ledger.epsilon == 0 && ledger.delta == 1e-5)
    for _ in 0..<50 { ledger.stepped(updates: 20, share: 0.1) }
    var kept = try #require(PrivacyLedger(document()))
    try kept.restore(JSON(parsing: ledger.json.description))
    #expect(kept.rounds == 50 && abs(kept.epsilon - ledger.epsilon) < 1e-9)
    kept.stepped(updates: 20, share: 0.1)
    #expect(kept.epsilon > ledger.epsilon)
    // Fewer updates have less noise, and everybody's is more certain.
    var few = try #require(PrivacyLedger(document())), all = few
    for _ in 0..<50 {
      few.stepped(updates: 5, share: 0.1)
      all.stepped(updates: 20, share: 1)
    }
    #expect(few.epsilon > ledger.epsilon && all.epsilon > ledger.epsilon)
    #expect(throws: RoleError.self) { try kept.restore(["rounds": 3, "spent": [1.0]]) }
    #expect(PrivacyLedger(document(noise: 0)) == nil)
  }

  @Test func onlyChanceHides() {
    #expect(Selection(rule: .randomSubset).chance(ofBeingAmong: 5, of: 50) == 0.1)
    #expect(Selection(rule: .highLoss).chance(ofBeingAmong: 5, of: 50) == 1)
    #expect(Selection(rule: .fedavg).chance(ofBeingAmong: 60, of: 50) == 1)
  }

  @Test func documentsThatDoNotFit() throws {
    try document().checkPrivacy()
    try document(clip: 0, noise: 0).checkPrivacy()
    #expect(throws: RoleError.self) { try document(clip: 0).checkPrivacy() }
    #expect(throws: RoleError.self) { try document(aggregator: "krum").checkPrivacy() }
  }
}
