"""What reads the feature pyramid: RPN, region head, mask head."""
