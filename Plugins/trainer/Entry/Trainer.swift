import NodeKit
import TrainerCore

@main enum Entry: Plugin { typealias Exported = Trainer }
