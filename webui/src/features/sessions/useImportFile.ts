/** Lets a person choose a file and reads it; says what is wrong with it. */
import { BadFile, MAX_BYTES } from '../../conversation/import/document'
import { useI18n } from '../../locales/useI18n'

/** null: none was chosen. */
export function chooseFile(): Promise<File | null> {
  const input = document.createElement('input')
  input.type = 'file'
  input.accept = '.json,application/json'
  return new Promise((resolve) => {
    input.addEventListener('change', () => resolve(input.files?.[0] ?? null))
    input.addEventListener('cancel', () => resolve(null))
    input.click()
  })
}

export function useFile() {
  const { t } = useI18n()

  /** The sentence for a person, or null when `use` was happy with the text. */
  async function read(file: File, use: (text: string) => Promise<void>): Promise<string | null> {
    try {
      if (file.size > MAX_BYTES) throw new BadFile('tooLarge')
      await use(await file.text())
      return null
    } catch (error) {
      if (error instanceof BadFile) return t(`import.${error.reason}`, { where: error.where })
      if (error instanceof DOMException) return t('import.unreadable')
      throw error
    }
  }

  return { read }
}
