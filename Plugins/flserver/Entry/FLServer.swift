import LearningCore
import NodeKit
